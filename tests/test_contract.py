"""Names that people build upon. A change here is a new version of the tables."""

import pytest

from archiver.model.schema import TABLES, Table

COLUMNS = {
    "runs": (
        "run_id revision run_type status is_final is_settled is_complete title failure_reason "
        "error_codes created_at queued_at started_at finished_at modified_at queue_seconds "
        "run_seconds total_seconds step_count app_url browser_session_id browser_profile_id "
        "max_screenshot_scrolls ai_fallback_triggered script_id run_with attempt attempts "
        "recording_archived downloaded_file_count screenshot_count has_recording request_prompt "
        "request_url request_engine request_proxy_location request_max_steps request_webhook_url "
        "request_totp_identifier request_totp_url request_browser_address request_run_with "
        "request_publish_workflow request_include_action_history_in_verification "
        "request_data_extraction_schema request_error_code_mapping request_model "
        "request_extra_http_headers request_max_screenshot_scrolls request_browser_session_id "
        "workflow_id request_parameters request_metadata problems session fetched_at "
        "document_sha256 path redacted removed"
    ),
    "documents": "run_id revision output document session fetched_at",
    "artifacts": (
        "run_id revision kind ordinal state filename path size sha256 expected_sha256 "
        "expected_size media_type served_type modified_at url artifact_id attempts reason "
        "fetched_at session pruned_at"
    ),
    "errors": "run_id revision ordinal error_code reasoning confidence error",
    "fetches": (
        "session asked_id run_id outcome http_status reason requests retries bytes seconds at"
    ),
    "checks": ("run_id revision path session checked_at depth outcome files bytes findings"),
}


def test_the_tables_are_those_of_the_contract() -> None:
    assert [table.name for table in TABLES] == list(COLUMNS)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_columns_are_those_of_the_contract_in_order(table: Table) -> None:
    assert table.column_names == tuple(COLUMNS[table.name].split())


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_tables_are_sorted_by_columns_that_are_never_null(table: Table) -> None:
    required = {column.name for column in table.columns if not column.nullable}
    assert table.sorted_by
    assert set(table.sorted_by) <= required
