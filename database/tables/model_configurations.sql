-- The registry of models. Rows can be added by anybody who may write here; no code change needed.
CREATE TABLE public.model_configurations (
    id uuid PRIMARY KEY DEFAULT vsl.uuid7(),
    model_id text NOT NULL CONSTRAINT model_configurations_model_id_key UNIQUE,
    media_type text NOT NULL,
    -- Who runs it: `cog` or `replicate` are driven by VSL's worker; `external` by somebody else's code.
    provider text NOT NULL DEFAULT 'replicate',
    replicate_version text,
    replicate_owner text,
    replicate_model text,
    is_active boolean NOT NULL DEFAULT true,
    is_beta boolean NOT NULL DEFAULT false,
    -- What the provider needs to know, such as {"url": "http://127.0.0.1:5391"} for `cog`.
    configuration jsonb NOT NULL DEFAULT '{}',
    -- JSON Schema of the model's input; {} while it is not known.
    supported_parameters jsonb NOT NULL DEFAULT '{}',
    -- US dollars for one job. NULL: not known, and then no driven job is accepted unless is_free.
    pricing_per_unit numeric(18, 8),
    estimated_time_seconds integer,
    description text,
    tags text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    is_free boolean NOT NULL DEFAULT false,
    -- Which workers take its jobs; the provider's name when NULL.
    lane text,
    max_attempts smallint NOT NULL DEFAULT 3,
    -- Seconds that one attempt may take, from its beginning to its last output.
    timeout_seconds integer NOT NULL DEFAULT 900,
    CONSTRAINT model_configurations_model_id_form CHECK (char_length(model_id) >= 1 AND char_length(model_id) <= 255 AND model_id !~ '[[:cntrl:]]'),
    CONSTRAINT model_configurations_media_type_known CHECK (media_type IN ('video', 'image', 'audio')),
    CONSTRAINT model_configurations_provider_form CHECK (provider ~ '^[a-z][a-z0-9_-]{0,62}$'),
    CONSTRAINT model_configurations_configuration_object CHECK (jsonb_typeof(configuration) = 'object'),
    CONSTRAINT model_configurations_supported_parameters_object CHECK (jsonb_typeof(supported_parameters) = 'object'),
    CONSTRAINT model_configurations_price_not_negative CHECK (pricing_per_unit >= 0 AND pricing_per_unit <> 'NaN'),
    CONSTRAINT model_configurations_free_or_priced CHECK (NOT is_free OR coalesce(pricing_per_unit, 0) = 0),
    CONSTRAINT model_configurations_time_positive CHECK (estimated_time_seconds > 0),
    CONSTRAINT model_configurations_lane_form CHECK (lane ~ '^[a-z][a-z0-9_-]{0,62}$'),
    CONSTRAINT model_configurations_max_attempts_range CHECK (max_attempts BETWEEN 1 AND 100),
    CONSTRAINT model_configurations_timeout_positive CHECK (timeout_seconds > 0)
);
COMMENT ON TABLE public.model_configurations IS 'Registry of the models that jobs can name.';
