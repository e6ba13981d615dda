//! Inclusion rules (`spec/api.md` section 9): in policies, and mirrored in the root's collections.

use async_trait::async_trait;
use axum::http::StatusCode;
use holdfast_domain::{
    ActivityOperation, GroupExpression, GroupExpressionError, ProtectionPolicy, ProtectionRule,
    RuleId, RuleKind, RuleState, SiteExpression, Stamps, Work, Workload,
};
use holdfast_graph_model::evolvable::ProtectionRuleStatus;
use holdfast_graph_model::odata::QueryOptions;
use holdfast_graph_model::{ErrorCode, Evolvable};
use holdfast_store::query::{Filter, RuleColumn};
use holdfast_store::{AnyTx, find_all};
use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::call::{Call, Writing};
use crate::collection::{self, At, Parent, PlaceColumns, Recorded, Resource};
use crate::extract::{JsonObject, SERVER_SET};
use crate::listing::{Field, FieldKind};
use crate::policies;
use crate::problem::Problem;
use crate::render;
use crate::workload::Wording;

/// See [`Resource`].
pub(crate) struct Rules;

#[async_trait]
impl Resource for Rules {
    type Noun = ProtectionRule;

    const BASE: &'static str = "protectionRuleBase";
    const PARENT: Parent = Parent::Policy;
    const MALFORMED: ErrorCode = ErrorCode::InvalidInclusionRuleId;
    const NOT_FOUND: ErrorCode = ErrorCode::ProtectionRuleNotFound;
    const WORD: &'static str = "rule";
    const PLACE_COLUMNS: PlaceColumns<RuleColumn> =
        PlaceColumns { workload: Some(RuleColumn::Workload), parent: Some(RuleColumn::PolicyId) };
    const RECORDED: Recorded<RuleColumn> = Recorded {
        error: Some(RuleColumn::Error),
        created_by: Some(RuleColumn::CreatedBy),
        last_modified_by: Some(RuleColumn::LastModifiedBy),
    };

    fn segment(at: At) -> String {
        at.workload().map_or_else(String::new, Wording::rules)
    }

    fn field(name: &str, _call: &Call) -> Option<Field<RuleColumn>> {
        let (column, kind) = match name {
            "id" => (RuleColumn::Id, FieldKind::Id),
            "status" => (
                RuleColumn::Status,
                FieldKind::Member(|text| ProtectionRuleStatus::from_name(text).is_some()),
            ),
            "isAutoApplyEnabled" => (RuleColumn::IsDynamic, FieldKind::Bool),
            "siteExpression" | "driveExpression" | "mailboxExpression" => {
                (RuleColumn::Expression, FieldKind::Text)
            }
            "createdDateTime" => (RuleColumn::CreatedDateTime, FieldKind::Time),
            "lastModifiedDateTime" => (RuleColumn::LastModifiedDateTime, FieldKind::Time),
            _ => return None,
        };
        Some(Field::column(column, kind))
    }

    fn place(rule: &ProtectionRule) -> (Option<Workload>, Option<String>) {
        (Some(rule.workload), Some(rule.policy.to_string()))
    }

    async fn shown(
        rule: &ProtectionRule,
        _tx: &mut AnyTx,
        call: &Call,
        _options: &QueryOptions,
    ) -> Result<Map<String, Value>, Problem> {
        Ok(render::rule(rule, call.viewer))
    }
}

/// Checks what a rule says, and that it may say it.
fn check_expression(workload: Workload, text: Option<&str>) -> Result<(), Problem> {
    let refuse = |why: String| {
        let name = workload.expression();
        Problem::at(ErrorCode::InvalidRuleExpression, name.clone(), format!("'{name}' {why}."))
    };
    let text = text.ok_or_else(|| refuse("is required".to_owned()))?;
    match workload {
        Workload::SharePoint => SiteExpression::parse(text)
            .map(|_| ())
            .map_err(|error| refuse(format!("cannot be understood: {error}"))),
        Workload::OneDrive | Workload::Exchange => {
            GroupExpression::parse(text).map(|_| ()).map_err(|error| match error {
                GroupExpressionError::TooManyGroups => Problem::at(
                    ErrorCode::InvalidRuleExpressionGroupLimitExceeded,
                    workload.expression(),
                    format!("In '{}' {error}.", workload.expression()),
                ),
                GroupExpressionError::Malformed(error) => {
                    refuse(format!("cannot be understood: {error}"))
                }
            })
        }
    }
}

fn take_expression(body: &mut JsonObject, workload: Workload) -> Result<String, Problem> {
    let text = match body.take(&workload.expression()) {
        Some(Value::String(text)) => Some(text),
        Some(_) | None => None,
    };
    check_expression(workload, text.as_deref())?;
    Ok(text.unwrap_or_default())
}

/// `POST …ProtectionPolicies/{id}/…InclusionRules`: the rule is applied at once.
pub(crate) async fn create_rule(call: Call, workload: Workload) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let mut body = call.json(ErrorCode::InvalidInclusionRuleCreateRequest)?;
    body.check_type(&workload.rule_type())?;
    let expression = take_expression(&mut body, workload)?;
    let kind = match body.take_flag("isAutoApplyEnabled")? {
        Some(true) => RuleKind::Dynamic,
        Some(false) | None => RuleKind::Static,
    };
    if kind == RuleKind::Dynamic && workload == Workload::SharePoint && call.app.strict {
        let why = "can only be false for sites: dynamic site rules are switched off";
        return Err(body.refuse("isAutoApplyEnabled", why));
    }
    body.pass_over(&SERVER_SET);
    body.finish()?;
    let mut tx = call.write().await?;
    let policy = policies::load(&mut *tx, &call, Some(workload)).await?.value;
    tx.require_protection_change().await?;
    let rule = ProtectionRule {
        id: RuleId::random(&*call.app.entropy),
        tenant: policy.tenant,
        workload,
        policy: policy.id,
        expression,
        kind,
        state: RuleState::Active,
        error: None,
        stamps: Stamps::new(call.caller.actor.clone(), call.now()),
    };
    tx.insert(&rule).await?;
    tx.enqueue_work(Work::ApplyRule { rule: rule.id }).await?;
    tx.commit().await?;
    let url = url(&call, &rule);
    Ok(Answer::with(StatusCode::CREATED, entity(&call, &rule)).located_at(url))
}

/// `POST …/{id}/run`, of static rules.
pub(crate) async fn run_rule(call: Call, workload: Workload) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    call.no_body()?;
    let mut tx = call.write().await?;
    let row = collection::load::<Rules>(&mut *tx, &call, At::In(workload)).await?;
    tx.require_protection_change().await?;
    let mut rule = row.value;
    if rule.kind == RuleKind::Dynamic {
        return Err(Problem::new(
            ErrorCode::RunNotAllowedForDynamicRule,
            "A dynamic rule is applied all the time: it cannot be run.",
        ));
    }
    rule.run().map_err(|error| {
        Problem::transition(ErrorCode::ProtectionRuleActionNotAllowed, "rule", error)
    })?;
    save(&mut tx, &call, &mut rule, row.version).await?;
    tx.commit().await?;
    let url = url(&call, &rule);
    Ok(Answer::with(StatusCode::ACCEPTED, entity(&call, &rule)).located_at(url))
}

/// `PATCH …/{id}`, of dynamic rules: a new expression.
pub(crate) async fn update_rule(call: Call, workload: Workload) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let mut body = call.json(ErrorCode::InvalidProtectionRulePatchRequest)?;
    body.check_type(&workload.rule_type())?;
    if body.has("isAutoApplyEnabled") {
        return Err(
            body.refuse("isAutoApplyEnabled", "is chosen when a rule is created, and stays")
        );
    }
    let expression = take_expression(&mut body, workload)?;
    body.pass_over(&SERVER_SET);
    body.finish()?;
    let mut tx = call.write().await?;
    let row = collection::load::<Rules>(&mut *tx, &call, At::In(workload)).await?;
    tx.require_protection_change().await?;
    let mut rule = row.value;
    if rule.kind == RuleKind::Static {
        return Err(Problem::new(
            ErrorCode::PatchNotAllowedForStaticRule,
            "A static rule cannot be changed: delete it and create another.",
        ));
    }
    rule.update(expression).map_err(|error| {
        Problem::transition(ErrorCode::DynamicRuleEditNotAllowed, "rule", error)
    })?;
    save(&mut tx, &call, &mut rule, row.version).await?;
    tx.commit().await?;
    Ok(Answer::ok(entity(&call, &rule)))
}

/// `DELETE …/{id}`: its units stay, as units by hand.
pub(crate) async fn delete_rule(call: Call, workload: Workload) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    let mut tx = call.write().await?;
    let row = collection::load::<Rules>(&mut *tx, &call, At::In(workload)).await?;
    tx.require_protection_change().await?;
    let rule = row.value;
    let code = match rule.kind {
        RuleKind::Static => ErrorCode::InvalidProtectionRuleStatusForDeletion,
        RuleKind::Dynamic => ErrorCode::DynamicRuleDeletionNotAllowed,
    };
    rule.delete().map_err(|error| Problem::transition(code, "rule", error))?;
    for id in tx.rule_members(rule.tenant, rule.id).await? {
        let is_held = tx.remove_rule_member(rule.tenant, rule.id, id).await?;
        let Some(row) = tx.unit(rule.tenant, id).await? else { continue };
        let mut unit = row.value;
        unit.sources.dynamic_rule = is_held;
        unit.sources.manual |= unit.policy.is_some() && !is_held;
        tx.put(&unit, row.version).await?;
    }
    tx.delete(&rule, row.version).await?;
    if rule.kind == RuleKind::Dynamic {
        log_deletion(&mut tx, &rule).await?;
    }
    tx.commit().await?;
    Ok(Answer::no_content())
}

/// `POST …/{id}/deleteAndUnprotect`, of dynamic rules: what only this rule holds leaves the policy.
pub(crate) async fn delete_and_unprotect_rule(
    call: Call,
    workload: Workload,
) -> Result<Answer, Problem> {
    call.allow_options(&[])?;
    call.no_body()?;
    let mut tx = call.write().await?;
    let row = collection::load::<Rules>(&mut *tx, &call, At::In(workload)).await?;
    tx.require_protection_change().await?;
    let mut rule = row.value;
    if rule.kind == RuleKind::Static {
        return Err(Problem::new(
            ErrorCode::ProtectionRuleActionNotAllowed,
            "A static rule holds no units: delete it.",
        ));
    }
    rule.delete_and_unprotect().map_err(|error| {
        Problem::transition(ErrorCode::DynamicRuleDeleteAndUnprotectNotAllowed, "rule", error)
    })?;
    save(&mut tx, &call, &mut rule, row.version).await?;
    log_deletion(&mut tx, &rule).await?;
    tx.commit().await?;
    Ok(Answer::with(StatusCode::ACCEPTED, entity(&call, &rule)))
}

/// The dynamic rules of a policy that becomes active are applied anew.
pub(crate) async fn apply_dynamic(
    tx: &mut Writing,
    policy: &ProtectionPolicy,
) -> Result<(), Problem> {
    let dynamic = Filter::equal(RuleColumn::PolicyId, policy.id.to_string())
        .and(Filter::equal(RuleColumn::IsDynamic, true));
    for rule in find_all::<ProtectionRule>(&mut **tx, policy.tenant, dynamic).await? {
        tx.enqueue_work(Work::ApplyRule { rule: rule.id }).await?;
    }
    Ok(())
}

async fn save(
    tx: &mut Writing,
    call: &Call,
    rule: &mut ProtectionRule,
    read: holdfast_store::Version,
) -> Result<(), Problem> {
    rule.stamps.touch(call.caller.actor.clone(), call.now());
    tx.put(rule, read).await?;
    tx.enqueue_work(Work::ApplyRule { rule: rule.id }).await
}

async fn log_deletion(tx: &mut Writing, rule: &ProtectionRule) -> Result<(), Problem> {
    if let Some(policy) = tx.policy(rule.tenant, rule.policy).await? {
        tx.log_policy(&policy.value, ActivityOperation::DynamicRuleDeletion, None).await?;
    }
    Ok(())
}

fn url(call: &Call, rule: &ProtectionRule) -> String {
    let (policies, rules) = (rule.workload.policies(), rule.workload.rules());
    call.url(&format!("/{policies}/{}/{rules}('{}')", rule.policy, rule.id))
}

fn entity(call: &Call, rule: &ProtectionRule) -> Map<String, Value> {
    let context = format!(
        "/{}('{}')/{}/$entity",
        rule.workload.policies(),
        rule.policy,
        rule.workload.rules()
    );
    collection::entity(call, &context, render::rule(rule, call.viewer))
}
