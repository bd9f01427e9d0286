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
