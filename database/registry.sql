-- The models that VSL knows from the start. Rows that are there already are left alone: the registry
-- is its owner's.
--
-- vsl-speech, vsl-image and vsl-video come with VSL and run on its user's own machine;
-- `vsl models serve` fills in their address. The others run at Replicate. Prices are US dollars for
-- one job, from the providers' pages; a model whose price was not known stays without one and takes
-- no jobs until its owner sets it.
INSERT INTO public.model_configurations
    (model_id, media_type, provider, replicate_owner, replicate_model, pricing_per_unit, is_free,
     estimated_time_seconds, description, tags)
VALUES
    ('flux-schnell', 'image', 'replicate', 'black-forest-labs', 'flux-schnell', 0.003, false, 3, 'FLUX.1 [schnell]: fast text to image', '{text-to-image}'),
    ('sdxl', 'image', 'replicate', 'stability-ai', 'sdxl', NULL, false, 15, 'Stable Diffusion XL: text to image', '{text-to-image}'),
    ('stable-video', 'video', 'replicate', 'stability-ai', 'stable-video-diffusion', NULL, false, 120, 'Stable Video Diffusion: image to video', '{image-to-video}'),
    ('musicgen', 'audio', 'replicate', 'meta', 'musicgen', NULL, false, 60, 'MusicGen: text to music', '{text-to-music}')
ON CONFLICT (model_id) DO NOTHING;

INSERT INTO public.model_configurations
    (model_id, media_type, provider, is_free, estimated_time_seconds, description, tags, supported_parameters)
VALUES
    ('vsl-speech', 'audio', 'cog', true, 1, 'Reads English text aloud with a small neural voice (hibari-tts); WAV, 24 kHz', '{local}',
     '{
  "type": "object",
  "required": [
    "prompt"
  ],
  "properties": {
    "prompt": {
      "description": "The text to speak, in English",
      "type": "string",
      "minLength": 1,
      "maxLength": 4000
    },
    "speed": {
      "description": "The pace: 1 is the voice''s own, 2 is twice as fast",
      "type": "number",
      "default": 1.0,
      "minimum": 0.5,
      "maximum": 2.0
    },
    "seed": {
      "description": "The same prompt, speed and seed give the same file; left out: any",
      "type": [
        "integer",
        "null"
      ],
      "minimum": 0,
      "maximum": 4294967295
    }
  },
  "additionalProperties": false
}'),
    ('vsl-image', 'image', 'cog', true, 1, 'Procedural art from prompt and seed, not a neural network; PNG, WebP or JPEG', '{local}',
     '{
  "type": "object",
  "required": [
    "prompt"
  ],
  "properties": {
    "prompt": {
      "description": "Words that choose the motif, the colours and every detail",
      "type": "string",
      "minLength": 1,
      "maxLength": 4000
    },
    "style": {
      "description": "The motif; auto lets the prompt choose",
      "type": "string",
      "enum": [
        "auto",
        "landscape",
        "flow",
        "nebula"
      ],
      "default": "auto"
    },
    "width": {
      "description": "Width in pixels",
      "type": "integer",
      "default": 768,
      "minimum": 64,
      "maximum": 2048
    },
    "height": {
      "description": "Height in pixels",
      "type": "integer",
      "default": 512,
      "minimum": 64,
      "maximum": 2048
    },
    "output_format": {
      "description": "The file''s format",
      "type": "string",
      "enum": [
        "png",
        "webp",
        "jpeg"
      ],
      "default": "png"
    },
    "seed": {
      "description": "The same input and seed give the same picture; left out: any",
      "type": [
        "integer",
        "null"
      ],
      "minimum": 0,
      "maximum": 4294967295
    }
  },
  "additionalProperties": false
}'),
    ('vsl-video', 'video', 'cog', true, 3, 'Procedural animation from prompt and seed, not a neural network; MP4 (H.264)', '{local}',
     '{
  "type": "object",
  "required": [
    "prompt"
  ],
  "properties": {
    "prompt": {
      "description": "Words that choose the motif, the colours and every detail",
      "type": "string",
      "minLength": 1,
      "maxLength": 4000
    },
    "style": {
      "description": "The motif; auto lets the prompt choose",
      "type": "string",
      "enum": [
        "auto",
        "horizon",
        "currents"
      ],
      "default": "auto"
    },
    "seconds": {
      "description": "Length in seconds",
      "type": "number",
      "default": 3.0,
      "minimum": 1.0,
      "maximum": 10.0
    },
    "fps": {
      "description": "Frames a second",
      "type": "integer",
      "default": 24,
      "minimum": 8,
      "maximum": 60
    },
    "width": {
      "description": "Width in pixels, even",
      "type": "integer",
      "default": 640,
      "minimum": 64,
      "maximum": 1920,
      "multipleOf": 2
    },
    "height": {
      "description": "Height in pixels, even",
      "type": "integer",
      "default": 360,
      "minimum": 64,
      "maximum": 1080,
      "multipleOf": 2
    },
    "seed": {
      "description": "The same input and seed give the same clip; left out: any",
      "type": [
        "integer",
        "null"
      ],
      "minimum": 0,
      "maximum": 4294967295
    }
  },
  "additionalProperties": false
}')
ON CONFLICT (model_id) DO NOTHING;
