//! Codes of Graph's error envelope, each with its HTTP status.

macro_rules! error_codes {
    ($($(#[$meta:meta])* $variant:ident = $status:literal $name:literal),* $(,)?) => {
        /// A code of Graph's error envelope. Where Graph gives one code two statuses, there are two variants.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ErrorCode { $($(#[$meta])* $variant),* }

        impl ErrorCode {
            /// All codes that we send.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code as clients read it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// The HTTP status that goes with it.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self { $(Self::$variant => $status),* }
            }
        }
    };
}

error_codes! {
    BadRequest = 400 "BadRequest",
    BulkRestoreInvalidCreateRequest = 400 "BulkRestoreInvalidCreateRequest",
    BulkRestoreInvalidCreateRequestSiteUrl = 400 "BulkRestoreInvalidCreateRequestSiteUrl",
    BulkRestoreInvalidCreateRequestUserEmail = 400 "BulkRestoreInvalidCreateRequestUserEmail",
    BulkRestoreResourcesLimit = 400 "BulkRestoreRestorationResourcesCountExceedsLimit",
    DifferentRestoreDestinationType = 400 "DifferentRestoreDestinationType",
    DuplicateArtifactInList = 400 "DuplicateArtifactInList",
    DuplicateProtectionUnitInList = 400 "DuplicateProtectionUnitInList",
    FilterLengthExceeded = 400 "FilterLengthExceeded",
    InvalidAppOwnerTenantId = 400 "InvalidAppOwnerTenantId",
    InvalidArtifactRequest = 400 "InvalidArtifactRequest",
    InvalidBulkRestoreArtifactId = 400 "InvalidBulkRestoreArtifactId",
    InvalidCreateRequest = 400 "InvalidCreateRequest",
    InvalidDisplayName = 400 "InvalidDisplayName",
    InvalidInclusionRuleCreateRequest = 400 "InvalidInclusionRuleCreateRequest",
    InvalidInclusionRuleId = 400 "InvalidInclusionRuleId",
    InvalidPatchRequest = 400 "InvalidPatchRequest",
    InvalidPathType = 400 "InvalidPathType",
    InvalidPolicyId = 400 "InvalidPolicyId",
    InvalidProtectionRulePatchRequest = 400 "InvalidProtectionRulePatchRequest",
    InvalidProtectionRuleStatusForDeletion = 400 "InvalidProtectionRuleStatusForDeletion",
    InvalidProtectionRuleStatusForUpdation = 400 "InvalidProtectionRuleStatusForUpdation",
    InvalidProtectionUnitId = 400 "InvalidProtectionUnitId",
    InvalidRestorePoint = 400 "InvalidRestorePoint",
    InvalidRestoreSessionId = 400 "InvalidRestoreSessionId",
    InvalidRuleExpression = 400 "InvalidRuleExpression",
    InvalidSearchRequest = 400 "InvalidSearchRequest",
    InvalidStateForActivation = 400 "invalidStateForActivation",
    PatchNotAllowedForStaticRule = 400 "PatchNotAllowedForStaticRule",
    ProtectionRuleActionNotAllowed = 400 "ProtectionRuleActionNotAllowed",
    ProtectionUnitActionNotAllowed = 400 "ProtectionUnitActionNotAllowed",
    RunNotAllowedForDynamicRule = 400 "RunNotAllowedForDynamicRule",
    TooManyArtifactsInUpdate = 400 "RestoreArtifactsLimitBreached",
    InvalidAuthenticationToken = 401 "InvalidAuthenticationToken",
    Forbidden = 403 "Forbidden",
    InvalidStateForBulkRequestDeletion = 403 "InvalidStateForBulkRequestDeletion",
    OperationNotAllowed = 403 "OperationNotAllowed",
    PolicyActionNotAllowed = 403 "PolicyActionNotAllowed",
    RestoreSessionActionNotAllowed = 403 "RestoreSessionActionNotAllowed",
    BulkRestoreArtifactsNotFound = 404 "BulkRestoreArtifactsNotFound",
    PolicyNotFound = 404 "PolicyNotFound",
    ProtectionRuleNotFound = 404 "ProtectionRuleNotFound",
    /// Ours by `spec/api.md` section 18: no 404 is published for units.
    ProtectionUnitNotFound = 404 "ProtectionUnitNotFound",
    ResourceNotFound = 404 "ResourceNotFound",
    RestoreSessionNotFound = 404 "RestoreSessionNotFound",
    MethodNotAllowed = 405 "MethodNotAllowed",
    /// Ours: the browse session has no rows yet, or failed.
    BrowseSessionNotReady = 409 "BrowseSessionNotReady",
    Conflict = 409 "Conflict",
    PolicyCreationNotAllowed = 409 "PolicyCreationNotAllowed",
    ProtectionUnitAlreadyExists = 409 "ProtectionUnitAlreadyExists",
    InvalidRuleExpressionGroupLimitExceeded = 413 "InvalidRuleExpressionGroupLimitExceeded",
    ProtectionUnitsLimitBreached = 413 "ProtectionUnitsLimitBreached",
    /// Ours: Graph names no code for a body over its limit.
    RequestEntityTooLarge = 413 "RequestEntityTooLarge",
    TooManyArtifactsInCreate = 413 "RestoreArtifactsLimitBreached",
    UnsupportedMediaType = 415 "UnsupportedMediaType",
    DynamicRuleEditNotAllowed = 422 "InvalidProtectionRuleStatusForDynamicRuleEdit",
    DynamicRuleDeletionNotAllowed = 422 "InvalidProtectionRuleStatusForDynamicRuleDeletion",
    DynamicRuleDeleteAndUnprotectNotAllowed = 422
        "InvalidProtectionRuleStatusForDynamicRuleDeleteAndUnprotectAll",
    /// Ours: a part of a batch that depends on one that failed; the status is Graph's.
    FailedDependency = 424 "FailedDependency",
    InternalServerError = 500 "InternalServerError",
    TooManyActiveRestoreSessions = 500 "TooManyActiveRestoreSessions",
    ServiceUnavailable = 503 "ServiceUnavailable",
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Codes that `spec/errors.json` does not list as answers to a request, each explained at its variant.
    const OURS: [ErrorCode; 4] = [
        ErrorCode::BrowseSessionNotReady,
        ErrorCode::FailedDependency,
        ErrorCode::ProtectionUnitNotFound,
        ErrorCode::RequestEntityTooLarge,
    ];

    #[test]
    fn codes_and_statuses_are_graphs() {
        let errors: serde_json::Value =
            serde_json::from_str(include_str!("../../../spec/errors.json")).expect("JSON");
        let mut published: Vec<(String, u64)> = Vec::new();
        let groups = errors["groups"].as_object().expect("an object").values();
        for group in groups.chain([&errors["generic"]]) {
            for entry in group.as_array().expect("a list") {
                if let (Some(code), Some(status), Some("request")) =
                    (entry["code"].as_str(), entry["httpStatus"].as_u64(), entry["level"].as_str())
                {
                    published.push((code.to_owned(), status));
                }
            }
        }
        for code in ErrorCode::ALL {
            let listed = published.contains(&(code.name().to_owned(), u64::from(code.status())));
            assert_eq!(listed, !OURS.contains(code), "{} {}", code.status(), code.name());
        }
    }
}
