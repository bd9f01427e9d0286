"""The models that ship with VSL, as Cog predictors, and the launcher that serves them."""
