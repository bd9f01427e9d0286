"""One file for each provider: build a request, read a reply. No database."""
