-- Each user's settings; rows are written by the application.
CREATE TABLE public.user_preferences (
    user_id varchar(255) PRIMARY KEY,
    notification_enabled boolean DEFAULT true,
    preferred_models jsonb DEFAULT '[]',
    created_at timestamp with time zone DEFAULT current_timestamp
);
