//! Controller applications: `serviceApps` (`spec/api.md` section 6). At most one controls protection at a time.

use async_trait::async_trait;
use axum::http::StatusCode;
use holdfast_domain::limits::CONTROLLER_HANDOVER;
use holdfast_domain::{AppId, ServiceApp, ServiceAppState, Timestamp, Workload};
use holdfast_graph_model::odata::QueryOptions;
use holdfast_graph_model::{ErrorCode, types};
use holdfast_store::query::{Comparison, Filter, ServiceAppColumn, Term};
use holdfast_store::{AnyTx, Version, Versioned, find};
use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::call::{Call, Writing};
use crate::collection::{self, At, PlaceColumns, Recorded, Resource};
use crate::listing::{Field, FieldKind};
use crate::problem::Problem;
use crate::render;
use crate::service::{controllers_at, service_at};

/// See [`Resource`].
pub(crate) struct ServiceApps;

#[async_trait]
impl Resource for ServiceApps {
    type Noun = ServiceApp;

    const BASE: &'static str = "serviceApp";
    const WORD: &'static str = "controller application";
    const PLACE_COLUMNS: PlaceColumns<ServiceAppColumn> =
        PlaceColumns { workload: None, parent: None };
    const RECORDED: Recorded<ServiceAppColumn> = Recorded {
        error: None,
        created_by: None,
        last_modified_by: Some(ServiceAppColumn::LastModifiedBy),
    };

    fn segment(_at: At) -> String {
        "serviceApps".to_owned()
    }

    fn field(name: &str, call: &Call) -> Option<Field<ServiceAppColumn>> {
        let (column, kind) = match name {
            "id" => (ServiceAppColumn::Id, FieldKind::Id),
            "registrationDateTime" => (ServiceAppColumn::RegistrationDateTime, FieldKind::Time),
            "effectiveDateTime" => (ServiceAppColumn::EffectiveDateTime, FieldKind::Time),
            "status" => {
                // Pending changes take effect by themselves.
                let due = Filter::Compare(
                    ServiceAppColumn::EffectiveDateTime,
                    Comparison::LessOrEqual,
                    call.now().into(),
                );
                let was =
                    |status: &str| Filter::equal(ServiceAppColumn::Status, status).and(due.clone());
                let cases =
                    vec![(was("pendingActive"), "active"), (was("pendingInactive"), "inactive")];
                let is_member = |text: &str| {
                    types()
                        .get("serviceAppStatus")
                        .is_some_and(|info| info.members.iter().any(|member| member.name == text))
                };
                let stored = Term::Column(ServiceAppColumn::Status);
                return Some(Field::choice(cases, stored, FieldKind::Member(is_member)));
            }
            "lastModifiedDateTime" => (ServiceAppColumn::LastModifiedDateTime, FieldKind::Time),
            _ => return None,
        };
        Some(Field::column(column, kind))
    }

    fn place(_app: &ServiceApp) -> (Option<Workload>, Option<String>) {
        (None, None)
    }

    async fn shown(
        app: &ServiceApp,
        _tx: &mut AnyTx,
        call: &Call,
        _options: &QueryOptions,
    ) -> Result<Map<String, Value>, Problem> {
        let app = ServiceApp { state: app.state.at(call.now()), ..app.clone() };
        Ok(render::service_app(&app, call.viewer))
    }
}

/// `POST /serviceApps`: registers the calling application, once; again, it is shown as it is.
pub(crate) async fn create_service_app(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let mut body = call.json(ErrorCode::BadRequest)?;
    body.check_type("serviceApp")?;
    body.pass_over(&[
        "id",
        "status",
        "registrationDateTime",
        "effectiveDateTime",
        "application",
        "lastModifiedBy",
        "lastModifiedDateTime",
    ]);
    body.finish()?;
    let mut tx = call.write().await?;
    let (tenant, id) = (call.caller.tenant, call.caller.app);
    let app = match find::<ServiceApp>(&mut *tx, tenant, &id).await? {
        Some(row) => row.value,
        None => {
            let app = ServiceApp {
                id,
                tenant,
                state: ServiceAppState::Inactive,
                registered_at: call.now(),
                last_modified_by: call.caller.actor.clone(),
                last_modified_at: call.now(),
            };
            tx.insert(&app).await?;
            tx.commit().await?;
            app
        }
    };
    Ok(Answer::with(StatusCode::CREATED, entity(&call, &app)).located_at(url(&call, id)))
}

/// `POST /serviceApps/{id}/activate`: at once, or, when another application controls, from `effectiveDateTime` on.
pub(crate) async fn activate_service_app(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let mut body = call.json(ErrorCode::BadRequest)?;
    let sent = body.take_time("effectiveDateTime")?;
    let effective_at =
        sent.ok_or_else(|| body.refuse("effectiveDateTime", "is required: a date and time"))?;
    body.finish()?;
    let now = call.now();
    let mut tx = call.write().await?;
    let (mut app, read) = load(&mut *tx, &call).await?;
    let apps = controllers_at(&mut *tx, app.tenant, now).await?;
    if apps.iter().any(|other| other.state.is_pending()) {
        return Err(refused("A change of the controller is pending already."));
    }
    let controller = apps.into_iter().find(|other| other.id != app.id && other.state.controls());
    if controller.is_some() {
        let (least, longest) = CONTROLLER_HANDOVER;
        if effective_at < now.plus(least) || effective_at > now.plus(longest) {
            return Err(Problem::at(
                ErrorCode::BadRequest,
                "effectiveDateTime",
                "'effectiveDateTime' must lie 7 to 30 days ahead, since another application controls protection.",
            ));
        }
    }
    app.state =
        app.state.activate(controller.as_ref().map(|_| effective_at), now).map_err(|error| {
            Problem::transition(ErrorCode::OperationNotAllowed, "controller application", error)
        })?;
    if let Some(other) = controller {
        let about = format!("{} from {effective_at} on", app.id);
        tx.tell_harm("Control passes to another application", &about).await?;
        put_state(&mut tx, &call, other.id, ServiceAppState::PendingInactive { effective_at })
            .await?;
    } else if let Some(row) = service_at(&mut *tx, app.tenant, now).await? {
        // Taken over in time.
        let mut service = row.value;
        service.controller_deleted_at = None;
        tx.put_service(&service, Some(row.version)).await?;
    }
    save(&mut tx, &call, &mut app, read).await?;
    tx.commit().await?;
    Ok(accepted(&call, &app))
}

/// `POST /serviceApps/{id}/deactivate`: takes a pending activation back.
pub(crate) async fn deactivate_service_app(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    call.no_body()?;
    let mut tx = call.write().await?;
    let (mut app, read) = load(&mut *tx, &call).await?;
    let was_pending = matches!(app.state, ServiceAppState::PendingActive { .. });
    app.state = app.state.deactivate().map_err(|_| {
        refused("The application controls protection: that ends by another one's activation, or by deleting it.")
    })?;
    if was_pending {
        return_control(&mut tx, &call).await?;
    }
    save(&mut tx, &call, &mut app, read).await?;
    tx.commit().await?;
    Ok(accepted(&call, &app))
}

/// `DELETE /serviceApps/{id}`. Without a controller, protection goes on for seven days and is locked then.
pub(crate) async fn delete_service_app(call: Call) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let mut tx = call.write().await?;
    let (app, read) = load(&mut *tx, &call).await?;
    app.state.delete().map_err(|_| {
        refused("The application is handing control over and cannot be deleted until then.")
    })?;
    match app.state {
        ServiceAppState::PendingActive { .. } => return_control(&mut tx, &call).await?,
        ServiceAppState::Active { .. } => {
            if let Some(row) = service_at(&mut *tx, app.tenant, call.now()).await? {
                let mut service = row.value;
                service.controller_deleted_at = Some(call.now());
                service.last_modified_by = call.caller.actor.clone();
                service.last_modified_at = call.now();
                tx.put_service(&service, Some(row.version)).await?;
            }
            tx.tell_harm("A controller application was deleted", &app.id.to_string()).await?;
        }
        ServiceAppState::Inactive | ServiceAppState::PendingInactive { .. } => {}
    }
    tx.delete(&app, read).await?;
    tx.commit().await?;
    Ok(Answer::no_content())
}

/// The application of the path's key, as it is now.
async fn load(tx: &mut AnyTx, call: &Call) -> Result<(ServiceApp, Version), Problem> {
    let Versioned { mut value, version } =
        collection::load::<ServiceApps>(tx, call, At::All).await?;
    value.state = value.state.at(call.now());
    Ok((value, version))
}

/// The application that was to hand control over keeps it.
async fn return_control(tx: &mut Writing, call: &Call) -> Result<(), Problem> {
    let apps = controllers_at(&mut **tx, call.caller.tenant, call.now()).await?;
    for other in apps {
        if let ServiceAppState::PendingInactive { .. } = other.state {
            put_state(tx, call, other.id, other.state.keep_control(call.now())).await?;
        }
    }
    Ok(())
}

async fn put_state(
    tx: &mut Writing,
    call: &Call,
    id: AppId,
    state: ServiceAppState,
) -> Result<(), Problem> {
    let Some(row) = find::<ServiceApp>(&mut **tx, call.caller.tenant, &id).await? else {
        return Ok(());
    };
    let mut app = row.value;
    app.state = state;
    save(tx, call, &mut app, row.version).await
}

async fn save(
    tx: &mut Writing,
    call: &Call,
    app: &mut ServiceApp,
    read: Version,
) -> Result<(), Problem> {
    let now: Timestamp = call.now();
    app.last_modified_by = call.caller.actor.clone();
    app.last_modified_at = now;
    Ok(tx.put(app, read).await?)
}

fn refused(message: &str) -> Problem {
    Problem::new(ErrorCode::OperationNotAllowed, message)
}

fn entity(call: &Call, app: &ServiceApp) -> Map<String, Value> {
    collection::entity(call, "/serviceApps/$entity", render::service_app(app, call.viewer))
}

fn url(call: &Call, id: AppId) -> String {
    call.url(&format!("/serviceApps/{id}"))
}

fn accepted(call: &Call, app: &ServiceApp) -> Answer {
    Answer::with(StatusCode::ACCEPTED, entity(call, app)).located_at(url(call, app.id))
}

#[cfg(test)]
mod tests;
