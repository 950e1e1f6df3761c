"""The contract suite of the GPT Image Hub API: its clauses, and the checks of each."""
