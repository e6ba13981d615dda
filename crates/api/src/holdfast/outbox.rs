//! `GET /holdfast/v1/outbox`: the digests that were written, and whether a mail server took them.

use async_trait::async_trait;
use holdfast_domain::{Mail, Workload};
use holdfast_graph_model::ErrorCode;
use holdfast_graph_model::odata::QueryOptions;
use holdfast_store::AnyTx;
use holdfast_store::query::MailColumn;
use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::call::Call;
use crate::collection::{self, At, PlaceColumns, Recorded, Resource};
use crate::listing::{Field, FieldKind};
use crate::problem::Problem;

/// See [`Resource`]. Filtered, sorted, counted and read page by page as Graph's collections are; `$select` is not there.
pub(crate) struct Outbox;

#[async_trait]
impl Resource for Outbox {
    type Noun = Mail;

    const BASE: &'static str = "outbox";
    const WORD: &'static str = "mail";
    const PLACE_COLUMNS: PlaceColumns<MailColumn> = PlaceColumns { workload: None, parent: None };
    const RECORDED: Recorded<MailColumn> = Recorded::NOTHING;

    fn segment(_at: At) -> String {
        "outbox".to_owned()
    }

    fn field(name: &str, _call: &Call) -> Option<Field<MailColumn>> {
        let (column, kind) = match name {
            "id" => (MailColumn::Id, FieldKind::Id),
            "status" => (
                MailColumn::Status,
                FieldKind::Member(|text| ["kept", "waiting", "sent", "refused"].contains(&text)),
            ),
            "recipient" => (MailColumn::Recipient, FieldKind::Text),
            "writtenDateTime" => (MailColumn::WrittenDateTime, FieldKind::Time),
            _ => return None,
        };
        Some(Field::column(column, kind))
    }

    fn place(_mail: &Mail) -> (Option<Workload>, Option<String>) {
        (None, None)
    }

    async fn shown(
        mail: &Mail,
        _tx: &mut AnyTx,
        _call: &Call,
        _options: &QueryOptions,
    ) -> Result<Map<String, Value>, Problem> {
        let shown = json!({
            "id": mail.id.to_string(),
            "writtenDateTime": mail.written_at.to_string(),
            "recipient": mail.recipient,
            "subject": mail.subject,
            "body": mail.body,
            "status": mail.state.name(),
            "endedDateTime": mail.state.ended_at().map(|at| at.to_string()),
            "reason": mail.state.reason(),
        });
        let Value::Object(shown) = shown else { unreachable!("it is written as an object") };
        Ok(shown)
    }
}

/// A mail tells of all workloads, and so do a filter and a count of mails.
fn require_all(call: &Call) -> Result<(), Problem> {
    match call.caller.covered() {
        None => Ok(()),
        Some(_) => Err(Problem::new(
            ErrorCode::Forbidden,
            "The user has no directory role that administers all of backup.",
        )),
    }
}

pub(crate) async fn list_mails(call: Call) -> Result<Answer, Problem> {
    require_all(&call)?;
    collection::list::<Outbox>(call, At::All).await
}

pub(crate) async fn count_mails(call: Call) -> Result<Answer, Problem> {
    require_all(&call)?;
    collection::count::<Outbox>(call, At::All).await
}

pub(crate) async fn get_mail(call: Call) -> Result<Answer, Problem> {
    require_all(&call)?;
    collection::get::<Outbox>(call, At::All).await
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use holdfast_domain::{Clock, MailId, MailState};
    use holdfast_store::{Collection, Store};

    use super::*;
    use crate::harness::{Harness, OTHER_TENANT, TENANT, Token};

    async fn put(harness: &Harness, recipient: &str, state: MailState) -> String {
        let mail = Mail {
            id: MailId::random(&*harness.entropy),
            tenant: TENANT.parse().expect("a GUID"),
            written_at: harness.clock.now(),
            recipient: recipient.to_owned(),
            subject: "A subject".to_owned(),
            body: "A body".to_owned(),
            state,
        };
        let mut tx = harness.store.begin().await.expect("works");
        Collection::<Mail>::insert(&mut *tx, &mail).await.expect("works");
        tx.commit().await.expect("works");
        harness.clock.advance(std::time::Duration::from_secs(1));
        mail.id.to_string()
    }

    #[tokio::test]
    async fn mails_are_listed_newest_first_with_their_state() {
        let harness = Harness::new().await;
        let at = harness.clock.now();
        let no = "No.".to_owned();
        let states = [
            ("kept", MailState::Kept),
            ("waiting", MailState::Waiting { last_failure: Some(no.clone()) }),
            ("sent", MailState::Sent { at }),
            ("refused", MailState::Refused { at, reason: no }),
        ];
        let mut ids = Vec::new();
        for (name, state) in states {
            ids.push((name, put(&harness, &format!("{name}@example.com"), state).await));
        }
        let listed = harness.get("/holdfast/v1/outbox").await.ok();
        let listed = listed["value"].as_array().expect("a list");
        assert_eq!(listed.len(), 4);
        for (shown, (name, id)) in listed.iter().zip(ids.iter().rev()) {
            assert_eq!((&shown["status"], &shown["id"]), (&json!(name), &json!(id)));
            let ended = ["sent", "refused"].contains(name).then(|| at.to_string());
            assert_eq!(shown["endedDateTime"], json!(ended));
            let reason = ["waiting", "refused"].contains(name).then_some("No.");
            assert_eq!(shown["reason"], json!(reason));
            let one = harness.get(&format!("/holdfast/v1/outbox/{id}")).await.ok();
            assert_eq!((&one["recipient"], &one["body"]), (&shown["recipient"], &json!("A body")));
        }
        let ask = async |query: &str| harness.get(&format!("/holdfast/v1/outbox{query}")).await;
        let refused = ask("?$filter=status%20eq%20'refused'").await.ok();
        assert_eq!(refused["value"].as_array().map(Vec::len), Some(1));
        assert_eq!(ask("/$count").await.text, "4");
        let page = ask("?$top=3").await.ok();
        let next = page["@odata.nextLink"].as_str().expect("there is more");
        let (_, rest) = next.split_once("/outbox").expect("of the outbox");
        assert_eq!(ask(rest).await.ok()["value"][0]["status"], "kept");
    }

    #[tokio::test]
    async fn mails_are_for_the_tenants_administrators_of_everything() {
        let harness = Harness::new().await;
        let id = put(&harness, "a@example.com", MailState::Kept).await;
        let path = format!("/holdfast/v1/outbox/{id}");
        let ask = async |token: &Token, path: &str| {
            harness.by(token, Method::GET, path, &Value::Null).await
        };
        ask(&Token::delegated(), &path).await.ok();
        let stranger = Token::application().claim("tid", json!(OTHER_TENANT));
        ask(&stranger, &path).await.refused(404, "ResourceNotFound");
        assert_eq!(ask(&stranger, "/holdfast/v1/outbox").await.ok()["value"], json!([]));
        let exchange = ["29232cdf-9323-42fd-ade2-1d097af3e4de"];
        let exchange = Token::delegated().claim("wids", json!(exchange));
        let none = "/holdfast/v1/outbox/$count?$filter=recipient eq 'x'";
        for path in [&path, "/holdfast/v1/outbox", "/holdfast/v1/outbox/$count", none] {
            let message = ask(&exchange, path).await.refused(403, "Forbidden");
            assert!(message.contains("directory role"), "{message}");
        }
    }
}
