//! Every state machine as a whole table, state × event, compared with a committed file.
//! `HOLDFAST_BLESS=1` rewrites the files.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use holdfast_domain::{
    ArtifactState, ArtifactTally, PolicyGoal, PolicyState, RequestedStatus, RestoreOutcome,
    RestoreState, ServiceState, Timestamp, TransitionError, UnitState, UnitTally,
};

/// A file's name, and the table that it holds.
type NamedTable = (&'static str, fn() -> String);

const TABLES: [NamedTable; 5] = [
    ("artifact.txt", artifact),
    ("policy.txt", policy),
    ("restore_session.txt", restore_session),
    ("service.txt", service),
    ("unit.txt", unit),
];

fn now() -> Timestamp {
    Timestamp::from_unix_seconds(2).expect("in range")
}

fn before() -> Timestamp {
    Timestamp::from_unix_seconds(1).expect("in range")
}

/// One line for each state and event: where it leads, or why not.
struct Table(String);

impl Table {
    fn row<S: std::fmt::Debug>(
        &mut self,
        state: &str,
        event: &str,
        outcome: Result<S, TransitionError>,
    ) {
        let outcome = match outcome {
            Ok(next) => format!("{next:?}"),
            Err(TransitionError { event, state }) => format!("refused: {event} while {state}"),
        };
        writeln!(self.0, "{state:<48} {event:<34} {outcome}").expect("a text grows");
    }
}

fn service() -> String {
    let mut table = Table(String::new());
    for state in [
        ServiceState::Disabled,
        ServiceState::Enabled,
        ServiceState::ProtectionChangeLocked { since: before() },
        ServiceState::RestoreLocked { since: before() },
    ] {
        let name = format!("{state:?}");
        table.row(&name, "enable", state.enable());
        table.row(&name, "lockProtectionChanges", state.lock_protection_changes(now()));
        table.row(&name, "lockRestores", state.lock_restores(now()));
        table.row(
            &name,
            "(allows protection change, restore)",
            Ok((state.allows_protection_change(), state.allows_restore())),
        );
    }
    table.0
}

fn policy() -> String {
    let mut table = Table(String::new());
    let states = [
        PolicyState::Inactive,
        PolicyState::Updating { towards: PolicyGoal::Active },
        PolicyState::Updating { towards: PolicyGoal::Inactive },
        PolicyState::Active,
        PolicyState::ActiveWithErrors,
    ];
    for state in states {
        let name = format!("{state:?} = {}", state.status());
        table.row(&name, "activate", state.activate());
        table.row(&name, "deactivate", state.deactivate());
        table.row(&name, "changeUnits", state.change_units());
        table.row(
            &name,
            "settle, some on the way",
            state.settle(UnitTally { on_the_way: 1, protected: 1, failed: 1 }),
        );
        table.row(
            &name,
            "settle, all protected",
            state.settle(UnitTally { on_the_way: 0, protected: 2, failed: 0 }),
        );
        table.row(
            &name,
            "settle, some failed",
            state.settle(UnitTally { on_the_way: 0, protected: 1, failed: 1 }),
        );
        table.row(&name, "delete", state.delete());
        table.row(&name, "(protects)", Ok(state.protects()));
    }
    table.0
}

fn unit() -> String {
    let mut table = Table(String::new());
    let states = [
        UnitState::Unprotected,
        UnitState::ProtectRequested,
        UnitState::Protected,
        UnitState::UnprotectRequested,
        UnitState::RemoveRequested,
        UnitState::Detached,
        UnitState::OffboardRequested { at: before() },
        UnitState::Destroying { at: before() },
        UnitState::Offboarded { at: before() },
        UnitState::CancelOffboardRequested { at: before() },
    ];
    for state in states {
        let name = format!(
            "{} = {}",
            format!("{state:?}").split(' ').next().unwrap_or_default(),
            state.status()
        );
        table.row(&name, "attach to a protecting policy", state.attach(true));
        table.row(&name, "attach to an inactive policy", state.attach(false));
        table.row(&name, "requestProtection", state.request_protection());
        table.row(&name, "protect", state.protect());
        table.row(&name, "failProtection", state.fail_protection());
        table.row(&name, "requestUnprotection", state.request_unprotection());
        table.row(&name, "unprotect", state.unprotect());
        table.row(&name, "requestRemoval", state.request_removal());
        table.row(&name, "detach", state.detach());
        table.row(&name, "offboard", state.offboard(now()));
        table.row(&name, "cancelOffboard", state.cancel_offboard());
        table.row(&name, "finishCancelOffboard", state.finish_cancel_offboard());
        table.row(&name, "destroy", state.destroy());
        table.row(&name, "finishOffboard", state.finish_offboard());
    }
    table.0
}

fn restore_session() -> String {
    let mut table = Table(String::new());
    let ended = |outcome| RestoreState::Ended { ended_at: before(), outcome };
    let states = [
        RestoreState::Draft,
        RestoreState::Activating { requested_at: before() },
        RestoreState::Active { started_at: before() },
        ended(RestoreOutcome::Completed),
        ended(RestoreOutcome::CompletedWithError),
        ended(RestoreOutcome::Failed),
    ];
    let tally = |completed, failed, with_item_failures| ArtifactTally {
        total: 2,
        completed,
        in_progress: 2 - completed - failed,
        failed,
        with_item_failures,
    };
    for state in states {
        let name = state.status();
        table.row(name, "changeArtifacts", state.change_artifacts());
        table.row(name, "delete", state.delete());
        table.row(name, "activate", state.activate(now()));
        table.row(name, "start", state.start(now()));
        table.row(name, "settle, one in progress", state.settle(tally(1, 0, 0), now()));
        table.row(name, "settle, all succeeded", state.settle(tally(2, 0, 0), now()));
        table.row(name, "settle, some items failed", state.settle(tally(2, 0, 1), now()));
        table.row(name, "settle, one failed", state.settle(tally(1, 1, 0), now()));
        table.row(name, "settle, all failed", state.settle(tally(0, 2, 0), now()));
        for wish in [
            RequestedStatus::Draft,
            RequestedStatus::Activating,
            RequestedStatus::Active,
            RequestedStatus::CompletedWithError,
            RequestedStatus::Completed,
            RequestedStatus::Failed,
        ] {
            table.row(name, &format!("requestStatus {wish:?}"), state.request_status(wish));
        }
    }
    table.0
}

fn artifact() -> String {
    let mut table = Table(String::new());
    let states = [
        ArtifactState::Added,
        ArtifactState::Scheduling,
        ArtifactState::Scheduled,
        ArtifactState::InProgress { started_at: before() },
        ArtifactState::Succeeded { started_at: before(), ended_at: before() },
        ArtifactState::Failed { started_at: None, ended_at: before() },
    ];
    for state in states {
        let name = state.status();
        table.row(name, "schedule", state.schedule());
        table.row(name, "scheduled", state.scheduled());
        table.row(name, "start", state.start(now()));
        table.row(name, "succeed", state.succeed(now()));
        table.row(name, "fail", state.fail(now()));
    }
    table.0
}

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

#[test]
fn the_tables_are_as_committed() {
    for (file, table) in TABLES {
        let path = golden().join(file);
        if std::env::var_os("HOLDFAST_BLESS").is_some() {
            fs::write(&path, table()).expect("the file can be written");
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(committed, table(), "{file} differs; HOLDFAST_BLESS=1 rewrites it");
    }
}

#[test]
fn every_file_is_some_tables() {
    for file in fs::read_dir(golden()).expect("the folder is there") {
        let name = file.expect("an entry").file_name();
        assert!(TABLES.iter().any(|(known, _)| name == *known), "{name:?} belongs to no table");
    }
}
