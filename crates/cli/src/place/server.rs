//! What is done on a running server, over HTTP with an admin key.

mod http;
mod target;
mod wire;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gracekey_core::{ApiKey, ClientId, Document, KeyId, Keyring, Peppers, SealedDocument};
use hyper::Method;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::order::check_scopes;
use super::{
    AuditOrder, AuditPage, ClientNow, ClientOrder, Ended, Ending, Expiring, Foreseen, ImportFormat, Imported,
    IssueOrder, Issued, KeyLine, Listing, RotateOrder, Rotated, WouldEnd,
};
use crate::clock;
use crate::failure::Failure;
use crate::pepper_file::{self, PepperSource};
use crate::span::Until;
use http::{Base, Body, Http};
use target::Target;

/// A running server, and the pepper if this machine has it.
pub(crate) struct Server {
    http: Http,
    pepper: PepperSource,
}

/// Rows of one page.
const PAGE: usize = 1000;
/// How often the feed is asked for a change that the server has, and how long is waited before that.
const ATTEMPTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);

impl Server {
    const VARIABLE: &str = "GRACEKEY_ADMIN_KEY";

    pub(crate) fn open(
        url: &str,
        key_file: Option<&Path>,
        insecure_http: bool,
        pepper: PepperSource,
    ) -> Result<Self, Failure> {
        Self::with_key(url, admin_key(key_file)?, insecure_http, pepper)
    }

    pub(crate) fn with_key(url: &str, key: ApiKey, insecure_http: bool, pepper: PepperSource) -> Result<Self, Failure> {
        let base = Base::parse(url, insecure_http)?;
        Ok(Self { http: Http::new(base, key)?, pepper })
    }

    pub(crate) fn name(&self) -> String {
        self.http.base().to_owned()
    }

    pub(crate) fn issue(&self, order: &IssueOrder<'_>) -> Result<Issued, Failure> {
        let client_disabled = match self.find_client(order.client)? {
            Some(known) => {
                check_scopes(&known, order.scopes)?;
                known.disabled
            }
            None => {
                // What is refused must not leave a client behind.
                let now = clock::now()?;
                if let Some(at) = order.expires.map(|until| until.moment(now)).filter(|at| *at <= now) {
                    return Err(gracekey_core::LifecycleError::ExpiryPassed { at, now }.into());
                }
                let new = json!({"client_id": order.client, "scopes": order.scopes});
                let _: Value = self.http.send(Method::POST, &"/v2/clients".into(), &new)?;
                false
            }
        };
        let mut body = json!({});
        if let Some(until) = order.expires {
            set(&mut body, "expires_at", json!(until.moment(clock::now()?)));
        }
        if let Some(prefix) = order.prefix {
            set(&mut body, "prefix", json!(prefix.to_string()));
        }
        let target = Target::credential(order.client, order.credential).below("/keys");
        let issued: wire::Issued = self.http.send(Method::POST, &target, &body)?;
        Ok(Issued { new: issued.into_key()?, client_disabled })
    }

    pub(crate) fn rotate(&self, order: &RotateOrder<'_>) -> Result<Rotated, Failure> {
        let mut body = json!({});
        if let Some(grace) = order.grace {
            set(&mut body, "grace", json!(grace));
        }
        if order.lost {
            set(&mut body, "lost", json!(true));
        }
        if let Some(prefix) = order.prefix {
            set(&mut body, "prefix", json!(prefix.to_string()));
        }
        let target = Target::credential(order.client, order.credential).below("/rotate");
        let rotated: wire::Rotated = match order.lost {
            true => self.http.send_after_others(&Method::POST, &target, &body)?,
            false => self.http.send(Method::POST, &target, &body)?,
        };
        rotated.into_rotated()
    }

    pub(super) fn end(&self, what: &Ending) -> Result<Ended, Failure> {
        let ended: wire::Ended = self.http.send(Method::POST, &Target::ending(what), &json!({}))?;
        Ok(Ended { key_ids: ended.ended, epoch: ended.epoch })
    }

    pub(super) fn expire(&self, key_id: KeyId, until: Until) -> Result<Expiring, Failure> {
        let body = json!({"at": until.moment(clock::now()?)});
        let target = Target::from(format!("/v2/keys/{key_id}/expire").as_str());
        let expires: wire::Expires = self.http.send(Method::POST, &target, &body)?;
        Ok(expires.into_expiring())
    }

    pub(super) fn foresee(&self, what: &Ending) -> Result<Foreseen, Failure> {
        let target = Target::ending(what).with_query(&[("dry_run", "true".to_owned())]);
        let foreseen: wire::Foreseen = self.http.send(Method::POST, &target, &json!({}))?;
        let would_end: Vec<WouldEnd> = foreseen.would_end;
        Ok(Foreseen { would_end, counted: true })
    }

    pub(super) fn client(&self, order: &ClientOrder<'_>) -> Result<ClientNow, Failure> {
        let mut body = json!({});
        if let Some(disabled) = order.disabled {
            set(&mut body, "disabled", json!(disabled));
        }
        if let Some(scopes) = order.scopes {
            set(&mut body, "scopes", json!(scopes));
        }
        let target = Target::client(order.client);
        let nothing = order.disabled.is_none() && order.scopes.is_none();
        let now: wire::Client = match nothing {
            true => self.http.get(&target)?,
            false => self.http.send(Method::PATCH, &target, &body)?,
        };
        let epoch = now.epoch.map_or_else(|| self.epoch(), Ok)?;
        Ok(ClientNow { client: now.into_client(), epoch })
    }

    fn find_client(&self, client_id: &ClientId) -> Result<Option<gracekey_core::Client>, Failure> {
        let found: Option<wire::Client> = self.http.find(&Target::client(client_id))?;
        Ok(found.map(wire::Client::into_client))
    }

    pub(super) fn list(&self, client: Option<&ClientId>) -> Result<Listing, Failure> {
        let mut query = vec![("limit", PAGE.to_string())];
        if let Some(client_id) = client {
            let _: wire::Client = self.http.get(&Target::client(client_id))?;
            query.push(("client_id", client_id.to_string()));
        }
        let epoch = self.epoch()?;
        let mut keys: Vec<KeyLine> = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let mut query = query.clone();
            query.extend(after.take().map(|after| ("after", after)));
            let page: wire::Keys = self.http.get(&Target::list("/v2/keys").with_query(&query))?;
            let known = keys.len();
            keys.extend(page.keys.into_iter().map(wire::Key::into_line));
            let (before, new) = keys.split_at(known);
            let goes_on =
                new.last().is_some_and(|last| before.last().is_none_or(|before| before.place() < last.place()));
            match page.next {
                Some(_) if !goes_on => return Err(self.stuck()),
                Some(next) => after = Some(next),
                None => return Ok(Listing { epoch, keys }),
            }
        }
    }

    fn epoch(&self) -> Result<u64, Failure> {
        let ready: wire::Ready = self.http.get(&"/readyz".into())?;
        Ok(ready.epoch)
    }

    pub(super) fn import(&self, text: Zeroizing<Vec<u8>>, format: ImportFormat) -> Result<Imported, Failure> {
        let kind = match format {
            ImportFormat::Json => "application/json",
            ImportFormat::Csv => "text/csv",
        };
        let target = Target::import(&text);
        let imported: wire::Imported = self.http.send_body(Method::POST, &target, Body { kind, content: text })?;
        Ok(imported.into_imported())
    }

    /// A request is judged here and not there, so the pepper of the server is needed here.
    pub(super) fn document(&self) -> Result<(Document, Arc<Peppers>), Failure> {
        if !self.pepper.is_there() {
            return Err(Failure::refused(format!(
                "a request is explained with the pepper, and {} is not there; --pepper names a copy of the server's, or type this on the server itself",
                self.pepper.name()
            )));
        }
        let peppers = self.pepper.read()?;
        let sealed = self.parsed(&self.newest()?)?;
        let document = sealed.open(&peppers).map_err(|error| self.bad(error))?;
        Ok((document, peppers))
    }

    /// With the pepper at hand the seal is checked; verifiers check it in any case.
    pub(super) fn sealed(&self) -> Result<String, Failure> {
        let text = self.newest()?;
        let sealed = self.parsed(&text)?;
        if self.pepper.is_there() {
            let peppers = self.pepper.read()?;
            let document = sealed.open(&peppers).map_err(|error| self.bad(error))?;
            Keyring::new(&document, peppers).map_err(|error| self.bad(error))?;
        }
        String::from_utf8(text.to_vec()).map_err(|error| self.bad(error))
    }

    /// The keyring that verifiers get, with every change in it that was answered before. A change reaches the feed a moment
    /// later than the server itself.
    fn newest(&self) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let wanted = self.epoch()?;
        for _ in 1..ATTEMPTS {
            let text = self.http.get_text(&Target::keyring())?;
            if serde_json::from_slice::<wire::Ready>(&text).is_ok_and(|keyring| keyring.epoch >= wanted) {
                return Ok(text);
            }
            std::thread::sleep(PAUSE);
        }
        self.http.get_text(&Target::keyring())
    }

    pub(super) fn audit(&self, order: &AuditOrder) -> Result<AuditPage, Failure> {
        let mut query = vec![("limit", order.limit.to_string())];
        query.extend(order.client.as_ref().map(|client_id| ("client_id", client_id.to_string())));
        query.extend(order.key_id.map(|key_id| ("key_id", key_id.to_string())));
        query.extend((order.after > 0).then(|| ("after", order.after.to_string())));
        let page: wire::Audit = self.http.get(&Target::list("/v2/audit").with_query(&query))?;
        let page: AuditPage = page.into();
        if page.next.is_some_and(|next| next <= order.after || page.entries.is_empty()) {
            return Err(self.stuck());
        }
        Ok(page)
    }

    /// What would be asked for without end.
    fn stuck(&self) -> Failure {
        self.bad("its next page is one that was there already; is it a gracekey server of this version?")
    }

    fn parsed(&self, text: &[u8]) -> Result<SealedDocument, Failure> {
        SealedDocument::parse(text).map_err(|error| self.bad(error))
    }

    fn bad(&self, error: impl std::fmt::Display) -> Failure {
        Failure::refused(format!("{}: {error}", self.name()))
    }
}

/// The key out of the file or the environment, never out of an argument.
fn admin_key(file: Option<&Path>) -> Result<ApiKey, Failure> {
    let (name, text) = match file {
        Some(path) => (path.display().to_string(), pepper_file::secret_text(path, "the admin key")?),
        None => {
            let text = std::env::var(Server::VARIABLE).ok().filter(|text| !text.is_empty());
            let missing = || {
                Failure::Usage(
                    "a server wants an admin key: set GRACEKEY_ADMIN_KEY, or name a file that holds it with --admin-key-file".into(),
                )
            };
            (Server::VARIABLE.to_owned(), Zeroizing::new(text.ok_or_else(missing)?))
        }
    };
    ApiKey::parse(text.trim()).map_err(|error| Failure::refused(format!("{name}: the admin key is none: {error}")))
}

fn set(body: &mut Value, name: &str, value: Value) {
    if let Some(body) = body.as_object_mut() {
        body.insert(name.into(), value);
    }
}
