//! Who acted: Graph's `identitySet`, reduced to what tokens tell.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// `microsoft.graph.identity`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Identity {
    pub id: String,
    pub display_name: Option<String>,
}

/// `microsoft.graph.identitySet`: an application, a user through an application, or neither (the engine itself).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Actor {
    pub application: Option<Identity>,
    pub user: Option<Identity>,
}

/// Who made an object and who changed it last, and when: the four properties that most of Graph's objects share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamps {
    pub created_by: Actor,
    pub created_at: Timestamp,
    pub last_modified_by: Actor,
    pub last_modified_at: Timestamp,
}

impl Stamps {
    #[must_use]
    pub fn new(actor: Actor, now: Timestamp) -> Self {
        Self {
            created_by: actor.clone(),
            created_at: now,
            last_modified_by: actor,
            last_modified_at: now,
        }
    }

    pub fn touch(&mut self, actor: Actor, now: Timestamp) {
        self.last_modified_by = actor;
        self.last_modified_at = now;
    }
}
