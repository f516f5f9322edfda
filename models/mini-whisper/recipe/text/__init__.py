"""Where the sentences come from: grammars, word lists, and what training must never contain."""
