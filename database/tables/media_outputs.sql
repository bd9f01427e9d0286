-- One stored file with its measured facts. A row appears only when the file is whole.
CREATE TABLE public.media_outputs (
    id uuid PRIMARY KEY DEFAULT vsl.uuid7(),
    job_id uuid NOT NULL CONSTRAINT media_outputs_job_id_fkey REFERENCES public.jobs (id) ON DELETE CASCADE,
    media_type text NOT NULL,
    s3_key text,
    s3_url text,
    s3_bucket text,
    -- MIME type.
    file_type text,
    -- Bytes.
    file_size bigint,
    -- Seconds.
    duration numeric(12, 3),
    -- Pixels.
    width integer,
    height integer,
    -- Frames a second.
    fps numeric(8, 3),
    -- Bits a second.
    bitrate bigint,
    thumbnail_url text,
    preview_url text,
    waveform_url text,
    metadata jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    -- Place among the job's outputs, from 0. NULL for tracked jobs, whose writers need not count.
    ordinal integer,
    -- Lower-case hex digest of the file's bytes.
    sha256 text,
    codec text,
    attempt_id uuid,
    CONSTRAINT media_outputs_media_type_known CHECK (media_type IN ('video', 'image', 'audio')),
    CONSTRAINT media_outputs_file_size_positive CHECK (file_size > 0),
    CONSTRAINT media_outputs_duration_positive CHECK (duration > 0 AND duration <> 'NaN'),
    CONSTRAINT media_outputs_dimensions_positive CHECK (width > 0 AND height > 0),
    CONSTRAINT media_outputs_fps_positive CHECK (fps > 0 AND fps <> 'NaN'),
    CONSTRAINT media_outputs_bitrate_positive CHECK (bitrate > 0),
    CONSTRAINT media_outputs_image_is_still CHECK (media_type <> 'image' OR (duration IS NULL AND fps IS NULL AND bitrate IS NULL)),
    CONSTRAINT media_outputs_audio_is_not_seen CHECK (media_type <> 'audio' OR (width IS NULL AND height IS NULL AND fps IS NULL)),
    CONSTRAINT media_outputs_metadata_object CHECK (jsonb_typeof(metadata) = 'object'),
    CONSTRAINT media_outputs_ordinal_not_negative CHECK (ordinal >= 0),
    CONSTRAINT media_outputs_sha256_form CHECK (sha256 ~ '^[0-9a-f]{64}$')
);
COMMENT ON TABLE public.media_outputs IS 'Stored media files with their measured facts.';

-- A job's outputs, in order, each place taken once; also the foreign key's look-up.
CREATE UNIQUE INDEX media_outputs_job_id_ordinal_idx ON public.media_outputs (job_id, ordinal);
-- Whether a row still refers to an object, before the worker removes it.
CREATE INDEX media_outputs_s3_key_idx ON public.media_outputs (s3_key);
