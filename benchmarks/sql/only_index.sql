-- Let a count be answered by an index alone again.
RESET enable_indexonlyscan;
