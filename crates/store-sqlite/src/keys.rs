//! Rows of `wrapped_tenant_keys` and `wrapped_repository_secrets`.

use async_trait::async_trait;
use holdfast_domain::{TenantId, UnitId};
use holdfast_store::{Keys, StoreError};
use rusqlite::{OptionalExtension, params};

use crate::{SqliteTx, failed};

#[async_trait]
impl Keys for SqliteTx {
    async fn wrapped_tenant_key(&mut self, tenant: TenantId) -> Result<Option<String>, StoreError> {
        self.sql()
            .query_row(
                "SELECT wrapped FROM wrapped_tenant_keys WHERE tenant = ?",
                [tenant.to_string()],
                |row| row.get(0),
            )
            .optional()
            .map_err(failed)
    }

    async fn insert_wrapped_tenant_key(
        &mut self,
        tenant: TenantId,
        wrapped: &str,
    ) -> Result<(), StoreError> {
        self.sql()
            .execute(
                "INSERT INTO wrapped_tenant_keys VALUES (?, ?) ON CONFLICT DO NOTHING",
                params![tenant.to_string(), wrapped],
            )
            .map_err(failed)?;
        Ok(())
    }

    async fn wrapped_repository_secret(
        &mut self,
        unit: UnitId,
    ) -> Result<Option<String>, StoreError> {
        self.sql()
            .query_row(
                "SELECT wrapped FROM wrapped_repository_secrets WHERE unit = ?",
                [unit.to_string()],
                |row| row.get(0),
            )
            .optional()
            .map_err(failed)
    }

    async fn destroy_wrapped_repository_secret(&mut self, unit: UnitId) -> Result<(), StoreError> {
        // Else the bytes would stay in the page until another row takes their place.
        self.sql().pragma_update(None, "secure_delete", true).map_err(failed)?;
        let deleted = self
            .sql()
            .execute("DELETE FROM wrapped_repository_secrets WHERE unit = ?", [unit.to_string()]);
        self.sql().pragma_update(None, "secure_delete", false).map_err(failed)?;
        deleted.map(|_| ()).map_err(failed)
    }

    async fn insert_wrapped_repository_secret(
        &mut self,
        tenant: TenantId,
        unit: UnitId,
        wrapped: &str,
    ) -> Result<(), StoreError> {
        self.sql()
            .execute(
                "INSERT INTO wrapped_repository_secrets VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                params![unit.to_string(), tenant.to_string(), wrapped],
            )
            .map_err(failed)?;
        Ok(())
    }
}
