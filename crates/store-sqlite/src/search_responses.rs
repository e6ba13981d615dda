//! Rows of `search_responses`.

use async_trait::async_trait;
use holdfast_domain::{SearchResponseId, TenantId, Timestamp};
use holdfast_store::{SearchResponse, SearchResponses, StoreError};
use rusqlite::{named_params, params};

use crate::rows::Columns;
use crate::{SqliteTx, failed};

#[async_trait]
impl SearchResponses for SqliteTx {
    async fn search_response(
        &mut self,
        tenant: TenantId,
        id: SearchResponseId,
    ) -> Result<Option<SearchResponse>, StoreError> {
        let mut prepared = self
            .sql()
            .prepare_cached("SELECT * FROM search_responses WHERE id = ? AND tenant = ?")
            .map_err(failed)?;
        let mut rows =
            prepared.query(params![id.to_string(), tenant.to_string()]).map_err(failed)?;
        let Some(row) = rows.next().map_err(failed)? else { return Ok(None) };
        let row = Columns::of(row);
        Ok(Some(SearchResponse {
            id: row.id("id")?,
            tenant: row.id("tenant")?,
            restore_point: row.optional_id("restore_point")?,
            query: row.text("query")?,
            expires_at: row.time("expires_at")?,
        }))
    }

    async fn insert_search_response(
        &mut self,
        response: &SearchResponse,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.sql()
            .execute("DELETE FROM search_responses WHERE expires_at <= ?", [now.unix_micros()])
            .map_err(failed)?;
        self.change_one(
            "INSERT INTO search_responses VALUES (:id, :tenant, :point, :query, :expires)",
            named_params! {
                ":id": response.id.to_string(),
                ":tenant": response.tenant.to_string(),
                ":point": response.restore_point.map(|point| point.to_string()),
                ":query": response.query,
                ":expires": response.expires_at.unix_micros(),
            },
        )
    }
}
