"""What media_outputs accepts: measures that fit the media type, and who may add a row."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest
from tests.schema.kit import SHA256, Row, Session, constraint, output_of

MODELS = {"image": "outside", "audio": "singer", "video": "filmer"}
REFUSED: dict[str, list[tuple[Row, str]]] = {
    "image": [
        ({"media_type": "video"}, "media_outputs_media_type_of_job"),
        ({"media_type": "text"}, "media_outputs_media_type_of_job"),
        ({"file_size": 0}, "media_outputs_file_size_positive"),
        ({"file_size": -1}, "media_outputs_file_size_positive"),
        ({"width": 0}, "media_outputs_dimensions_positive"),
        ({"height": -1}, "media_outputs_dimensions_positive"),
        ({"duration": 1}, "media_outputs_image_is_still"),
        ({"fps": 24}, "media_outputs_image_is_still"),
        ({"bitrate": 1}, "media_outputs_image_is_still"),
        ({"metadata": [1]}, "media_outputs_metadata_object"),
        ({"ordinal": -1}, "media_outputs_ordinal_not_negative"),
        ({"sha256": SHA256.upper()}, "media_outputs_sha256_form"),
        ({"sha256": "ab"}, "media_outputs_sha256_form"),
    ],
    "audio": [
        ({"duration": 0}, "media_outputs_duration_positive"),
        ({"duration": "NaN"}, "media_outputs_duration_positive"),
        ({"bitrate": 0}, "media_outputs_bitrate_positive"),
        ({"width": 1}, "media_outputs_audio_is_not_seen"),
        ({"height": 1}, "media_outputs_audio_is_not_seen"),
        ({"fps": 1}, "media_outputs_audio_is_not_seen"),
        ({"media_type": "image"}, "media_outputs_media_type_of_job"),
    ],
    "video": [
        ({"duration": -1}, "media_outputs_duration_positive"),
        ({"fps": 0}, "media_outputs_fps_positive"),
        ({"fps": "NaN"}, "media_outputs_fps_positive"),
        ({"bitrate": -1}, "media_outputs_bitrate_positive"),
        ({"width": 0, "height": 1}, "media_outputs_dimensions_positive"),
        ({"media_type": "audio"}, "media_outputs_media_type_of_job"),
    ],
}


@pytest.fixture(params=MODELS)
def media_type(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_tracked_jobs_output(media_type: str, as_role: Callable[[str], Session]) -> None:
    app = as_role("vsl_app")
    job = app.add_job(MODELS[media_type], status="processing")
    least = app.add_output(job)
    assert (least["media_type"], least["metadata"], least["ordinal"]) == (media_type, {}, None)
    whole = app.add_output(job, **output_of(media_type))
    for columns, name in REFUSED[media_type]:
        with pytest.raises(psycopg.errors.CheckViolation) as refused:
            app.add_output(job, **{"ordinal": 1, **columns})
        assert constraint(refused.value) == name, columns
        assert refused.value.diag.table_name == "media_outputs"
        assignment = ", ".join(f"{column} = %s" for column in columns)
        values = ["[1]" if value == [1] else value for value in columns.values()]
        error = app.refused(
            f"UPDATE media_outputs SET {assignment} WHERE id = %s",  # noqa: S608
            *values,
            whole["id"],
        )
        assert constraint(error) == name, columns
    assert app.count("media_outputs") == 2


def test_places_are_taken_once(session: Session) -> None:
    job = session.add_job("outside", status="processing")
    session.add_output(job, ordinal=0)
    with pytest.raises(psycopg.errors.UniqueViolation) as refused:
        session.add_output(job, ordinal=0)
    assert constraint(refused.value) == "media_outputs_job_id_ordinal_idx"
    session.add_output(job, ordinal=1)
    session.add_output(session.add_job("outside"), ordinal=0)


def test_no_such_job(session: Session) -> None:
    unknown = {"id": "00000000-0000-7000-8000-000000000000"}
    for job in (unknown, {"id": None}):
        with pytest.raises(psycopg.errors.ForeignKeyViolation) as refused:
            session.add_output(job)
        assert constraint(refused.value) == "media_outputs_job_id_fkey"
        assert refused.value.diag.message_primary == "there is no such job"


def test_an_output_stays_with_its_job(session: Session) -> None:
    one, other = session.add_job("outside"), session.add_job("outside")
    session.add_output(one)
    error = session.refused("UPDATE media_outputs SET job_id = %s", other["id"])
    assert (error.sqlstate, "stays with its job" in str(error)) == ("VS001", True)


@pytest.mark.parametrize("role", ["superuser", "vsl_app", "vsl_owner"])
def test_nobody_adds_to_a_driven_job(
    role: str, session: Session, as_role: Callable[[str], Session]
) -> None:
    session.add_job(job_id="mine")
    job = session.run_job()
    writer = session if role == "superuser" else as_role(role)
    with pytest.raises(psycopg.Error) as refused:
        writer.add_output(job, **output_of("image", ordinal=1))
    assert refused.value.sqlstate == "VS001"
    assert refused.value.diag.message_primary == (
        "outputs of job mine are recorded by VSL and cannot be added by hand"
    )
    assert refused.value.diag.message_hint == "Workers record outputs through vsl.finish_jobs."
    # Addresses of thumbnails and the like are added to what is there.
    assert writer.run("UPDATE media_outputs SET thumbnail_url = 't', preview_url = 'p'") == 1
    assert writer.refused("UPDATE media_outputs SET file_size = 0").sqlstate == "23514"


def test_a_driven_jobs_output_is_complete(media_type: str, session: Session) -> None:
    model = {"image": "painter", "audio": "singer", "video": "filmer"}[media_type]
    session.add_job(model)
    claimed, begun = session.start("replicate" if media_type == "video" else "cog")
    needed = {
        "image": ["width", "height"],
        "audio": ["duration"],
        "video": ["width", "height", "duration"],
    }[media_type]
    for name in ["s3_key", "file_type", "file_size", "sha256", "ordinal", *needed]:
        broken = output_of(media_type, **{name: None})
        answer = session.finish(claimed, begun, outputs=[broken])
        assert answer["result"] == "rejected", name
        assert "an output of a driven job needs s3_key" in answer["reason"]
    twice = [output_of(media_type), output_of(media_type)]
    assert session.finish(claimed, begun, outputs=twice)["result"] == "rejected"
    assert session.count("media_outputs") == 0
    whole = [output_of(media_type), output_of(media_type, ordinal=1)]
    assert session.finish(claimed, begun, outputs=whole)["result"] == "finished"
    rows = session.all("SELECT * FROM media_outputs ORDER BY ordinal")
    for place, row in enumerate(rows):
        expected = output_of(media_type, ordinal=place)
        assert {name: row[name] for name in expected} == expected
        assert row["attempt_id"] == begun["attempt_id"]
    assert len(rows) == 2
