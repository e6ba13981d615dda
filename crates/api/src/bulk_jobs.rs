//! Bulk jobs of a policy: many units added or excluded by name (`spec/api.md` section 10).

use async_trait::async_trait;
use axum::http::StatusCode;
use holdfast_domain::limits::{BULK_JOB_ENTRIES, POLICY_NAME_CHARACTERS};
use holdfast_domain::{
    BulkAdditionJob, BulkJobId, BulkPurpose, BulkState, ProtectionMode, Stamps, Work, Workload,
};
use holdfast_graph_model::ErrorCode;
use holdfast_graph_model::odata::{Expression, QueryOptions};
use holdfast_store::AnyTx;
use holdfast_store::query::{BulkJobColumn, Filter, Term};
use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::call::Call;
use crate::collection::{self, At, Parent, PlaceColumns, Recorded, Resource};
use crate::extract::{JsonObject, SERVER_SET};
use crate::filter::{Elements, any_element};
use crate::listing::{Field, FieldKind};
use crate::policies;
use crate::problem::Problem;
use crate::render;
use crate::workload::Wording;

/// `…ProtectionUnitsBulkAdditionJobs`
pub(crate) struct AdditionJobs;

/// `…ExclusionUnitsBulkAdditionJobs` (beta)
pub(crate) struct ExclusionJobs;

const PLACE: PlaceColumns<BulkJobColumn> =
    PlaceColumns { workload: Some(BulkJobColumn::Workload), parent: Some(BulkJobColumn::PolicyId) };

const RECORDED: Recorded<BulkJobColumn> = Recorded {
    error: Some(BulkJobColumn::Error),
    created_by: Some(BulkJobColumn::CreatedBy),
    last_modified_by: Some(BulkJobColumn::LastModifiedBy),
};

/// [`Resource::any`] of bulk jobs and requests: what they name, and the ids among that.
pub(crate) fn any_named<C>(
    property: &str,
    (names, ids): (C, C),
    holds: Option<Expression>,
    call: &Call,
) -> Result<Option<Filter<C>>, Problem> {
    let list = match property {
        "siteWebUrls" | "drives" | "mailboxes" => names,
        "siteIds" | "directoryObjectIds" => ids,
        _ => return Ok(None),
    };
    any_element(Term::Column(list), Elements::Texts, holds, call.now()).map(Some)
}

fn field(name: &str) -> Option<Field<BulkJobColumn>> {
    let (column, kind) = match name {
        "id" => (BulkJobColumn::Id, FieldKind::Id),
        "displayName" => (BulkJobColumn::DisplayName, FieldKind::Text),
        "status" => (BulkJobColumn::Status, FieldKind::Member(render::is_bulk_status)),
        "createdDateTime" => (BulkJobColumn::CreatedDateTime, FieldKind::Time),
        "lastModifiedDateTime" => (BulkJobColumn::LastModifiedDateTime, FieldKind::Time),
        _ => return None,
    };
    Some(Field::column(column, kind))
}

macro_rules! jobs {
    ($resource:ident, $base:literal, $word:literal, $segment:ident, $purpose:expr) => {
        #[async_trait]
        impl Resource for $resource {
            type Noun = BulkAdditionJob;

            const BASE: &'static str = $base;
            const PARENT: Parent = Parent::Policy;
            const WORD: &'static str = $word;
            const PLACE_COLUMNS: PlaceColumns<BulkJobColumn> = PLACE;
            const RECORDED: Recorded<BulkJobColumn> = RECORDED;

            fn segment(at: At) -> String {
                at.workload()
                    .map_or_else(String::new, |workload| format!("{}s", workload.$segment()))
            }

            fn field(name: &str, _call: &Call) -> Option<Field<BulkJobColumn>> {
                field(name)
            }

            fn any(
                property: &str,
                holds: Option<Expression>,
                call: &Call,
            ) -> Result<Option<Filter<BulkJobColumn>>, Problem> {
                let lists = (BulkJobColumn::Names, BulkJobColumn::Ids);
                any_named(property, lists, holds, call)
            }

            fn place(job: &BulkAdditionJob) -> (Option<Workload>, Option<String>) {
                (Some(job.workload), Some(job.policy.to_string()))
            }

            fn includes(job: &BulkAdditionJob) -> bool {
                job.purpose == $purpose
            }

            fn visible(_call: &Call) -> Option<Filter<BulkJobColumn>> {
                Some(Filter::equal(BulkJobColumn::Purpose, $purpose.name()))
            }

            async fn shown(
                job: &BulkAdditionJob,
                _tx: &mut AnyTx,
                call: &Call,
                _options: &QueryOptions,
            ) -> Result<Map<String, Value>, Problem> {
                Ok(render::bulk_job(job, call.viewer))
            }
        }
    };
}

jobs!(
    AdditionJobs,
    "protectionUnitsBulkJobBase",
    "bulk addition job",
    bulk_job_type,
    BulkPurpose::Protect
);
jobs!(
    ExclusionJobs,
    "exclusionUnitBulkAdditionJob",
    "bulk exclusion job",
    exclusion_job_type,
    BulkPurpose::Exclude
);

/// `POST …ProtectionUnitsBulkAdditionJobs`: names, ids, or both.
pub(crate) async fn create_addition_job(call: Call, workload: Workload) -> Result<Answer, Problem> {
    create(call, workload, BulkPurpose::Protect).await
}

/// `POST …ExclusionUnitsBulkAdditionJobs`
pub(crate) async fn create_exclusion_job(
    call: Call,
    workload: Workload,
) -> Result<Answer, Problem> {
    create(call, workload, BulkPurpose::Exclude).await
}

/// `displayName` of a bulk job or request: empty when it is not sent.
pub(crate) fn take_display_name(body: &mut JsonObject) -> Result<String, Problem> {
    let name = body.take_text("displayName")?.unwrap_or_default();
    if name.chars().count() > POLICY_NAME_CHARACTERS {
        let why = format!("must have at most {POLICY_NAME_CHARACTERS} characters");
        return Err(body.refuse("displayName", &why));
    }
    Ok(name.trim().to_owned())
}

async fn create(call: Call, workload: Workload, purpose: BulkPurpose) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let (type_name, segment) = match purpose {
        BulkPurpose::Protect => (workload.bulk_job_type(), AdditionJobs::segment(At::In(workload))),
        BulkPurpose::Exclude => {
            (workload.exclusion_job_type(), ExclusionJobs::segment(At::In(workload)))
        }
    };
    let mut body = call.json(ErrorCode::BadRequest)?;
    body.check_type(&type_name)?;
    let display_name = take_display_name(&mut body)?;
    if purpose == BulkPurpose::Exclude && display_name.is_empty() {
        return Err(body.refuse("displayName", "is required"));
    }
    let names = body.take_texts(workload.names())?;
    let ids = match purpose {
        BulkPurpose::Protect => body.take_texts(workload.ids())?,
        BulkPurpose::Exclude => Vec::new(),
    };
    body.pass_over(&SERVER_SET);
    let entries = names.len() + ids.len();
    if entries == 0 || entries > BULK_JOB_ENTRIES {
        let why = format!("must have 1 to {BULK_JOB_ENTRIES} entries, ids included");
        return Err(body.refuse(workload.names(), &why));
    }
    body.finish()?;

    let mut tx = call.write().await?;
    let policy = policies::load(&mut *tx, &call, Some(workload)).await?.value;
    tx.require_protection_change().await?;
    if purpose == BulkPurpose::Exclude && policy.mode != ProtectionMode::FullService {
        return Err(Problem::new(
            ErrorCode::BadRequest,
            "Only policies with the protectionMode fullServiceBackup have exclusion units.",
        ));
    }
    let job = BulkAdditionJob {
        id: BulkJobId::random(&*call.app.entropy),
        tenant: policy.tenant,
        workload,
        policy: policy.id,
        purpose,
        display_name,
        names,
        ids,
        state: BulkState::Active,
        error: None,
        stamps: Stamps::new(call.caller.actor.clone(), call.now()),
    };
    tx.insert(&job).await?;
    tx.enqueue_work(Work::RunBulkJob { job: job.id }).await?;
    tx.commit().await?;
    let below = format!("/{}('{}')/{segment}", workload.policies(), policy.id);
    let body =
        collection::entity(&call, &format!("{below}/$entity"), render::bulk_job(&job, call.viewer));
    let url = call.url(&format!("{below}('{}')", job.id));
    Ok(Answer::with(StatusCode::CREATED, body).located_at(url))
}
