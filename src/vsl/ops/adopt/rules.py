"""What is wrong with rows of an original layout, and what adoption does about it, in words.

The rules themselves stand in ``database/adopt``: a row has a list of ``column:rule``.
"""

from __future__ import annotations

from collections.abc import Mapping

#: What is wrong, and what is done about it. ``{kept}`` is where the original value goes.
MENDS: Mapping[str, tuple[str, str]] = {
    "id:made": ("is not a UUID", "a new one; {kept}"),
    "job_id:made": ("is empty", "made from id, as for a job that VSL makes"),
    "job_id:gone": ("names a job that does not exist", "empty; goes to public_job_id"),
    "user_id:given": ("is empty", "the one given by --fill"),
    "user_id:of_job": ("is empty", "its job's"),
    "model_id:given": ("is empty", "the one given by --fill"),
    "model_id:added": ("is named by jobs only", "a row is added, for their media type"),
    "media_type:spelling": ("has another spelling", "video, image or audio; {kept}"),
    "media_type:of_jobs": ("is empty or unknown", "what its jobs make; {kept}"),
    "media_type:of_model": ("is empty or unknown", "its model's; {kept}"),
    "media_type:of_job": ("is empty", "its job's"),
    "status:spelling": ("has another spelling", "VSL's; {kept}"),
    "created_at:filled": ("is empty", "updated_at, or the next best time"),
    "created_at:of_job": ("is empty", "its job's completed_at or created_at"),
    "updated_at:filled": ("is empty", "completed_at or created_at"),
    "completed_at:filled": ("is empty on a completed job", "updated_at or created_at"),
    "completed_at:not_completed": ("is set on a job that is not completed", "empty; {kept}"),
    "configuration:not_object": ("is not a JSON object", "{{}}; {kept}"),
    "supported_parameters:not_object": ("is not a JSON object", "{{}}; {kept}"),
    "parameters:not_object": ("is not a JSON object", "{{}}; {kept}"),
    "metadata:not_object": ("is not a JSON object", "{{}}; {kept}"),
    "configuration:filled": ("is empty", "{{}}"),
    "supported_parameters:filled": ("is empty", "{{}}"),
    "parameters:filled": ("is empty", "{{}}"),
    "metadata:filled": ("is empty", "{{}}"),
    "configuration:key_taken": ("has a key vsl_original", "{kept}"),
    "metadata:key_taken": ("has a key vsl_original", "{kept}"),
    "retry_count:filled": ("is empty", "0"),
    "retry_count:impossible": ("cannot be", "0; {kept}"),
    "retry_count:rounded": ("is no whole number", "rounded; {kept}"),
    "is_active:filled": ("is empty", "true"),
    "is_beta:filled": ("is empty", "false"),
    "tags:not_list": ("is not a list", "no tags; {kept}"),
    "api_calls_count:filled": ("is empty", "1"),
    "billing_period:shortened": ("is a day", "its month"),
    "billing_period:of_time": ("is empty", "the month of created_at, in UTC"),
}
#: The same for rules that many columns have.
COMMON_MENDS: Mapping[str, tuple[str, str]] = {
    "impossible": ("is negative, zero, too large or no number", "empty; {kept}"),
    "rounded": ("has more decimals than VSL keeps", "rounded; {kept}"),
    "not_of_image": ("is set on an image", "empty; {kept}"),
    "not_of_audio": ("is set on audio", "empty; {kept}"),
}
#: Why a row cannot be had.
REFUSALS: Mapping[str, str] = {
    "id:not_uuid": "is not a UUID",
    "user_id:missing": "is empty; --fill user_id=NAME gives these rows one",
    "model_id:missing": "is empty; --fill model_id=NAME gives these rows one",
    "model_id:refused": "names a model that is refused",
    "job_id:missing": "names a job that does not exist",
    "job_id:refused": "names a job that is refused",
    "media_type:unknown": "is not video, image or audio",
    "media_type:not_of_model": "differs from its model's",
    "media_type:not_of_job": "differs from its job's",
    "status:unknown": "is not pending, processing, completed, failed or cancelled",
    "created_at:missing": "is empty, and so is every other time",
    "prompt:length": "has more than 100,000 characters",
    "billing_period:form": "is not a year and a month, such as 2026-11",
}
#: The same for rules that many columns have.
COMMON_REFUSALS: Mapping[str, str] = {
    "form": "is longer than 255 characters, or has control characters",
    "repeated": "is not unique",
    "impossible": "is negative, too large or no number, or not true or false",
}

_KEPT = {
    "jobs": "the original is kept in metadata",
    "media_outputs": "the original is kept in metadata",
    "model_configurations": "the original is kept in configuration",
}


def mended(table: str, rule: str) -> tuple[str, str]:
    """What is wrong with a column, and what it becomes."""
    wrong, becomes = MENDS.get(rule) or COMMON_MENDS[rule.partition(":")[2]]
    kept = _KEPT.get(table, "the original stays in vsl_original")
    return wrong, becomes.format(kept=kept)


def refused(rule: str) -> str:
    """What is wrong with a column of a row that cannot be had."""
    return REFUSALS.get(rule) or COMMON_REFUSALS[rule.partition(":")[2]]
