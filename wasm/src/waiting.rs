//! Requests that wait for the answer to a question: is there a keyring that knows their key?

use std::cell::RefCell;
use std::rc::{Rc, Weak};

use crate::request::After;

/// The requests that wait, each until a moment of its own.
#[derive(Default)]
pub(crate) struct Waiting {
    requests: RefCell<Vec<Request>>,
}

/// A request that waits. Its stream may end at any time, and then there is nobody to tell.
pub(crate) struct Request {
    pub(crate) stream: u32,
    pub(crate) after: Weak<RefCell<After>>,
    until: u64,
}

impl Waiting {
    /// How many may wait in one worker: whoever tries keys at random must not fill its memory.
    const MAX: usize = 256;

    /// Lets a request wait. `None` if too many do.
    pub(crate) fn add(&self, stream: u32, until: u64) -> Option<Rc<RefCell<After>>> {
        let mut requests = self.requests.borrow_mut();
        if requests.len() >= Self::MAX {
            requests.retain(|request| request.after.strong_count() > 0);
        }
        if requests.len() >= Self::MAX {
            return None;
        }
        let after = Rc::new(RefCell::new(After::default()));
        requests.push(Request { stream, after: Rc::downgrade(&after), until });
        Some(after)
    }

    /// All of them.
    pub(crate) fn all(&self) -> Vec<Request> {
        self.requests.take()
    }

    /// Those that have waited long enough.
    pub(crate) fn over(&self, now: u64) -> Vec<Request> {
        self.requests.borrow_mut().extract_if(.., |request| request.until <= now).collect()
    }

    /// The moment at which the first of them has waited long enough.
    pub(crate) fn wakes_at(&self) -> Option<u64> {
        self.requests.borrow().iter().map(|request| request.until).min()
    }
}
