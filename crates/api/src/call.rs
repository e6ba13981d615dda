//! What an operation gets: who calls, the path's keys, the query, the body, and transactions.

use std::ops::{Deref, DerefMut};
use std::str::FromStr;
use std::sync::Arc;

use axum::http::HeaderValue;
use bytes::Bytes;
use holdfast_domain::{
    ActivityOperation, ActivityResult, AuditRecord, JobId, NoticeKind, OffboardingStatus,
    ProtectionPolicy, ProtectionUnit, RestoreSession, Service, ServiceApp, ServiceState, Timestamp,
    Work, Workload,
};
use holdfast_graph_model::odata::{Expand, QueryOptions};
use holdfast_graph_model::{ErrorCode, Version, Viewer};
use holdfast_store::activity::{self, Acting};
use holdfast_store::{Tx, find};
use serde_json::{Value, json};

use crate::App;
use crate::caller::Caller;
use crate::extract::{self, JsonObject};
use crate::problem::Problem;
use crate::service::service_at;

/// One request to one operation: authenticated, permitted, matched and read.
#[derive(Clone)]
pub(crate) struct Call {
    pub(crate) app: App,
    pub(crate) caller: Arc<Caller>,
    pub(crate) viewer: Viewer,
    /// Values of the path's `{…}`, in order.
    pub(crate) keys: Vec<String>,
    pub(crate) options: QueryOptions,
    /// The query as sent, for links to the next page.
    pub(crate) query: String,
    /// Scheme and authority.
    pub(crate) origin: String,
    /// The path as sent, for links to the next page.
    pub(crate) path: String,
    /// The operation's id in the contract.
    pub(crate) operation: &'static str,
    /// `request-id` of the answer.
    pub(crate) request_id: String,
    pub(crate) content_type: Option<HeaderValue>,
    pub(crate) body: Bytes,
}

/// Refuses options inside `$expand` that it does not take there.
pub(crate) fn allow_inside(expand: &Expand, allowed: &[&str]) -> Result<(), Problem> {
    match expand.options.given().into_iter().find(|given| !allowed.contains(given)) {
        None => Ok(()),
        Some(other) => Err(Problem::at(
            ErrorCode::BadRequest,
            "$expand",
            format!("{other} is not supported inside $expand={}.", expand.property),
        )),
    }
}

impl Call {
    pub(crate) fn now(&self) -> Timestamp {
        self.app.clock.now()
    }

    /// The path's key at `index`.
    pub(crate) fn key<I: FromStr>(&self, index: usize, code: ErrorCode) -> Result<I, Problem> {
        let text = self.keys.get(index).map_or("", String::as_str);
        text.parse().map_err(|_| Problem::new(code, format!("'{text}' is no well-formed id.")))
    }

    /// The body as an object, under the operation's code for malformed ones.
    pub(crate) fn json(&self, code: ErrorCode) -> Result<JsonObject, Problem> {
        extract::body(self.content_type.as_ref(), &self.body, code)
    }

    /// For actions without parameters: the body is empty or an empty object.
    pub(crate) fn no_body(&self) -> Result<(), Problem> {
        self.json(ErrorCode::BadRequest)?.finish()
    }

    /// Refuses query options that the operation does not take.
    pub(crate) fn allow_options(&self, allowed: &[&str]) -> Result<(), Problem> {
        match self.options.given().into_iter().find(|given| !allowed.contains(given)) {
            None => Ok(()),
            Some(other) => Err(Problem::new(
                ErrorCode::BadRequest,
                format!("The query option {other} is not supported here."),
            )),
        }
    }

    /// `https://host/v1.0/solutions/backupRestore` and `rest`.
    pub(crate) fn url(&self, rest: &str) -> String {
        format!("{}/{}/solutions/backupRestore{rest}", self.origin, self.viewer.version.name())
    }

    /// `@odata.context` of what lies at `rest` below the root.
    pub(crate) fn context(&self, rest: &str) -> String {
        format!(
            "{}/{}/$metadata#solutions/backupRestore{rest}",
            self.origin,
            self.viewer.version.name()
        )
    }

    pub(crate) fn is_beta(&self) -> bool {
        self.viewer.version == Version::Beta
    }

    pub(crate) async fn read(&self) -> Result<Box<dyn Tx>, Problem> {
        Ok(self.app.store.read().await?)
    }

    pub(crate) async fn write(&self) -> Result<Writing, Problem> {
        Ok(Writing {
            tx: self.app.store.begin().await?,
            app: Arc::clone(&self.app),
            caller: Arc::clone(&self.caller),
            audit: AuditRecord {
                tenant: self.caller.tenant,
                at: self.now(),
                actor: self.caller.actor.clone(),
                operation: self.operation.to_owned(),
                target: self.keys.join("/"),
                request: self.request_id.clone(),
            },
            enqueued: false,
        })
    }
}

/// A transaction that writes rows and work together.
pub(crate) struct Writing {
    tx: Box<dyn Tx>,
    app: App,
    caller: Arc<Caller>,
    /// What the commit adds to the audit.
    audit: AuditRecord,
    enqueued: bool,
}

impl Writing {
    /// Adds work for the engine; it exists when the transaction is committed, not before.
    pub(crate) async fn enqueue_work(&mut self, work: Work) -> Result<(), Problem> {
        self.enqueue_work_at(work, self.app.clock.now()).await
    }

    /// The same, for later.
    pub(crate) async fn enqueue_work_at(
        &mut self,
        work: Work,
        not_before: Timestamp,
    ) -> Result<(), Problem> {
        let id = JobId::random(&*self.app.entropy);
        self.tx.enqueue(self.caller.tenant, id, work, not_before).await?;
        self.enqueued = true;
        Ok(())
    }

    /// Writes an entry of the activity log; `details` are the properties of its derived type.
    pub(crate) async fn log(
        &mut self,
        operation: ActivityOperation,
        workload: Workload,
        details: Value,
    ) -> Result<(), Problem> {
        let outcome = (ActivityResult::Succeeded, None);
        let acting = acting(&self.caller, &self.app);
        Ok(activity::log_activity(&mut *self.tx, acting, operation, outcome, workload, &details)
            .await?)
    }

    /// An entry about a policy, with `more` properties.
    pub(crate) async fn log_policy(
        &mut self,
        policy: &ProtectionPolicy,
        operation: ActivityOperation,
        more: Option<Value>,
    ) -> Result<(), Problem> {
        let mut details = activity::policy_details(policy);
        if let (Value::Object(details), Some(Value::Object(more))) = (&mut details, more) {
            details.extend(more);
        }
        self.log(operation, policy.workload, details).await
    }

    /// An entry about a new restore session.
    pub(crate) async fn log_new_session(
        &mut self,
        session: &RestoreSession,
    ) -> Result<(), Problem> {
        let artifacts = self.tx.artifacts_of_session(session.tenant, session.id).await?;
        let mut details = json!({
            "restoreSessionId": session.id.to_string(),
            "restoreSessionStatus": session.state.status(),
            "tags": "fastRestore",
            "restoreArtifactDetails": {
                "totalArtifactsCount": artifacts.len(), "restoredCount": 0, "failedCount": 0,
            },
        });
        if let Some(first) = artifacts.first() {
            details["destinationType"] = json!(first.value.destination.name());
        }
        self.log(ActivityOperation::RestoreTaskCreated, session.workload, details).await
    }

    /// An entry about a unit whose offboarding was asked for now, and ends at `end`.
    pub(crate) async fn log_offboarding(
        &mut self,
        unit: &ProtectionUnit,
        status: OffboardingStatus,
        end: Timestamp,
    ) -> Result<(), Problem> {
        let acting = acting(&self.caller, &self.app);
        let start = acting.now;
        Ok(activity::log_offboarding(&mut *self.tx, acting, unit, status, start, end).await?)
    }

    /// Tells by the next digest what no setting silences but switching notifications off.
    pub(crate) async fn tell_harm(&mut self, what: &str, about: &str) -> Result<(), Problem> {
        let acting = acting(&self.caller, &self.app);
        Ok(activity::tell(&mut *self.tx, acting, NoticeKind::Harmful, what, about).await?)
    }

    /// Adds to the audit, commits, and wakes the engine if there is work.
    pub(crate) async fn commit(mut self) -> Result<(), Problem> {
        self.tx.add_audit_record(&self.audit).await?;
        self.tx.commit().await?;
        if self.enqueued {
            (self.app.on_enqueue)();
        }
        Ok(())
    }

    /// Refuses unless the service's state lets policies and units change, and the calling application may change them
    /// (`docs/decisions/0005-unregistered-applications.md`).
    pub(crate) async fn require_protection_change(&mut self) -> Result<(), Problem> {
        self.require(ServiceState::allows_protection_change, "protection cannot be changed")
            .await?;
        let (app, now) = (self.caller.app, self.app.clock.now());
        let registered = find::<ServiceApp>(&mut *self.tx, self.caller.tenant, &app).await?;
        let controls = match registered {
            Some(row) => row.value.state.at(now).controls(),
            None => !self.app.strict,
        };
        if controls {
            return Ok(());
        }
        Err(Problem::new(
            ErrorCode::Forbidden,
            "The calling application does not control protection in this tenant: it may only read.",
        ))
    }

    /// Refuses unless the service's state lets restore sessions be made and changed.
    pub(crate) async fn require_restore(&mut self) -> Result<(), Problem> {
        self.require(ServiceState::allows_restore, "nothing can be restored").await
    }

    async fn require(
        &mut self,
        allows: fn(ServiceState) -> bool,
        consequence: &str,
    ) -> Result<(), Problem> {
        let (tenant, now) = (self.caller.tenant, self.app.clock.now());
        let service: Option<Service> =
            service_at(&mut *self.tx, tenant, now).await?.map(|row| row.value);
        let state = service.map_or(ServiceState::Disabled, |service| service.state);
        if allows(state) {
            return Ok(());
        }
        Err(Problem::new(
            ErrorCode::OperationNotAllowed,
            format!(
                "The backup service is {} in this tenant, so {consequence}; POST /solutions/backupRestore/enable enables it.",
                state.status()
            ),
        ))
    }
}

fn acting<'a>(caller: &'a Caller, app: &'a App) -> Acting<'a> {
    Acting {
        tenant: caller.tenant,
        actor: &caller.actor,
        now: app.clock.now(),
        entropy: &*app.entropy,
    }
}

impl Deref for Writing {
    type Target = dyn Tx;

    fn deref(&self) -> &Self::Target {
        &*self.tx
    }
}

impl DerefMut for Writing {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut *self.tx
    }
}
