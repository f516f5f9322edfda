"""Shards of spoken sentences, and the windows that training composes from them."""
