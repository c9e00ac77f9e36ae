//! Requests that wait for the answer to a question: is there a keyring that knows their key?

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::refresh::Answer;
use crate::request::After;

/// The requests that wait, each for an answer of its own.
#[derive(Default)]
pub(crate) struct Waiting {
    requests: RefCell<Vec<Request>>,
}

/// A request that waits. Its stream may end at any time, and then there is nobody to tell.
pub(crate) struct Request {
    pub(crate) stream: u32,
    pub(crate) after: Weak<RefCell<After>>,
    pub(crate) answer: Answer,
}

impl Waiting {
    /// How many may wait in one worker: whoever tries keys at random must not fill its memory.
    const MAX: usize = 256;

    /// Lets a request wait. `None` if too many do.
    pub(crate) fn add(&self, stream: u32, answer: Answer) -> Option<Rc<RefCell<After>>> {
        let mut requests = self.requests.borrow_mut();
        if requests.len() >= Self::MAX {
            requests.retain(|request| request.after.strong_count() > 0);
        }
        if requests.len() >= Self::MAX {
            return None;
        }
        let after = Rc::new(RefCell::new(After::default()));
        requests.push(Request { stream, after: Rc::downgrade(&after), answer });
        Some(after)
    }

    /// Takes those out for which it is true.
    pub(crate) fn take(&self, which: impl Fn(&Request) -> bool) -> Vec<Request> {
        self.requests.borrow_mut().extract_if(.., |request| which(request)).collect()
    }

    /// Lets one wait on.
    pub(crate) fn put_back(&self, request: Request) {
        self.requests.borrow_mut().push(request);
    }

    /// The moment at which the first of them has waited long enough.
    pub(crate) fn wakes_at(&self) -> Option<u64> {
        self.requests.borrow().iter().map(|request| request.answer.until).min()
    }
}
