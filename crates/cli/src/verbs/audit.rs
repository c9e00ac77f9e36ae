use clap::Args;
use gracekey_core::{ClientId, KeyId};

use super::table;
use crate::failure::Failure;
use crate::output::Output;
use crate::place::{AuditLine, AuditOrder, AuditPage, Place};

/// Show who did what when: the audit log of a store, the oldest lines first
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  gracekey audit --store sqlite:gracekey.db --client acme_corp
  gracekey audit --after 100 --limit 50 --json
  gracekey audit --key-id 3fK9aB2c --all")]
pub(crate) struct Audit {
    /// Only lines about this client
    #[arg(long, value_name = "CLIENT ID")]
    client: Option<ClientId>,
    /// Only lines about this key
    #[arg(long, value_name = "KEY ID")]
    key_id: Option<KeyId>,
    /// Only lines behind this one, by its number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    after: u64,
    /// How many lines at most, 1 to 1000
    #[arg(long, value_name = "LINES", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    limit: u16,
    /// All of them, page after page
    #[arg(long, conflicts_with = "limit")]
    all: bool,
}

impl Audit {
    pub(crate) fn run(&self, place: &Place, output: &mut Output) -> Result<(), Failure> {
        let limit = if self.all { 1000 } else { self.limit };
        let mut order = AuditOrder { client: self.client.clone(), key_id: self.key_id, after: self.after, limit };
        let mut page = place.audit(&order)?;
        while let Some(after) = page.next.filter(|_| self.all) {
            order.after = after;
            let next = place.audit(&order)?;
            page.entries.extend(next.entries);
            page.next = next.next;
        }
        output.result(&text(&page), &page)?;
        if let Some(next) = page.next {
            output.note(&format!("there may be more: --after {next} shows the next page, --all shows all"));
        }
        Ok(())
    }
}

fn text(page: &AuditPage) -> String {
    if page.entries.is_empty() {
        return "no lines".into();
    }
    let head = ["NUMBER", "TIME", "EPOCH", "WHO", "WHAT", "CLIENT", "CREDENTIAL", "KEY ID", "DETAIL"];
    table::lines(head, &page.entries.iter().map(cells).collect::<Vec<_>>()).join("\n")
}

fn cells(line: &AuditLine) -> [String; 9] {
    fn or_dash(value: Option<impl ToString>) -> String {
        value.map_or_else(|| "-".into(), |value| value.to_string())
    }
    [
        line.seq.to_string(),
        line.at.to_string(),
        line.epoch.to_string(),
        line.actor.clone(),
        line.action.clone(),
        or_dash(line.client_id.as_ref()),
        or_dash(line.credential.as_ref()),
        or_dash(line.key_id),
        detail(&line.detail),
    ]
}

/// `name=value` for each member, without those that are empty.
fn detail(detail: &serde_json::Value) -> String {
    let Some(members) = detail.as_object() else { return detail.to_string() };
    let told = members.iter().filter(|(_, value)| !value.is_null()).map(|(name, value)| match value.as_str() {
        Some(text) => format!("{name}={text}"),
        None => format!("{name}={value}"),
    });
    told.collect::<Vec<_>>().join(" ")
}
