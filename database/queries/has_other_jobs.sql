-- Whether there are jobs that the generator has not made.
SELECT EXISTS (SELECT FROM jobs WHERE model_id NOT IN ('bench-image', 'bench-video', 'bench-audio'));
