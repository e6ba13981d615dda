//! What every listed noun has in common: found by id, listed page by page, counted, and written with the version that was read.

use std::fmt::Display;

use async_trait::async_trait;
use holdfast_domain::TenantId;

use crate::query::{Column, Filter, ListQuery, Page};
use crate::{StoreError, Version, Versioned};

/// A noun of which a tenant has any number.
pub trait Noun: Send + Sync + Sized + 'static {
    type Id: Display + Send + Sync;
    /// What its lists are filtered and sorted by.
    type Column: Column;
}

/// Reads nouns of one kind. Another tenant's are not found.
#[async_trait]
pub trait Listed<T: Noun>: Send {
    async fn get(
        &mut self,
        tenant: TenantId,
        id: &T::Id,
    ) -> Result<Option<Versioned<T>>, StoreError>;
    async fn list(
        &mut self,
        tenant: TenantId,
        query: &ListQuery<T::Column>,
    ) -> Result<Page<T>, StoreError>;
    async fn count(
        &mut self,
        tenant: TenantId,
        filter: Option<&Filter<T::Column>>,
    ) -> Result<u64, StoreError>;
}

/// Writes them, too.
#[async_trait]
pub trait Collection<T: Noun>: Listed<T> {
    async fn insert(&mut self, value: &T) -> Result<(), StoreError>;
    /// # Errors
    /// [`StoreError::Stale`] when the row is not as it was `read`.
    async fn put(&mut self, value: &T, read: Version) -> Result<(), StoreError>;
    /// Deletes it with what belongs to it alone.
    ///
    /// # Errors
    /// [`StoreError::Stale`] when the row is not as it was `read`.
    async fn delete(&mut self, value: &T, read: Version) -> Result<(), StoreError>;
}

/// The noun of type `T` with that id.
///
/// # Errors
/// When the store cannot be read.
pub async fn find<T: Noun>(
    tx: &mut dyn Listed<T>,
    tenant: TenantId,
    id: &T::Id,
) -> Result<Option<Versioned<T>>, StoreError> {
    tx.get(tenant, id).await
}

/// Every noun of type `T` that `filter` lets through, in the collection's own order.
///
/// # Errors
/// When the store cannot be read.
pub async fn find_all<T: Noun>(
    tx: &mut dyn Listed<T>,
    tenant: TenantId,
    filter: Filter<T::Column>,
) -> Result<Vec<T>, StoreError> {
    Ok(tx.list(tenant, &ListQuery::first(u32::MAX >> 1, Some(filter))).await?.rows)
}
