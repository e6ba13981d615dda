//! What goes on, for progress bars and metrics. Nothing depends on it.

use holdfast_domain::UnitId;

/// One step forward of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// Entries of the service's change lists were taken in.
    Listed { items: u64 },
    /// A file's content is in the repository.
    Stored { bytes: u64 },
    /// A restore knows what it has to do.
    Planned { items: u64, bytes: u64 },
    /// One of the planned items is as it was; `bytes` were uploaded for it.
    Restored { bytes: u64 },
    /// A restore point was published.
    PointMade,
}

/// How a worker and a job parted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobOutcome {
    Done,
    /// Given up; its object says why.
    Failed,
    /// It will be tried again.
    PutBack,
    /// It is another worker's now.
    Lost,
}

impl JobOutcome {
    /// For metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::PutBack => "putBack",
            Self::Lost => "lost",
        }
    }
}

/// Takes notice. Called often, from many tasks: must not block.
pub trait Observer: Send + Sync {
    fn observe(&self, unit: UnitId, progress: Progress);

    /// A worker is through with a job; `kind` is [`holdfast_domain::Work::name`].
    fn job_ended(&self, kind: &'static str, outcome: JobOutcome) {
        let _ = (kind, outcome);
    }
}

/// Takes no notice.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn observe(&self, _: UnitId, _: Progress) {}
}
