"""Codecs: each turns values of some types into bytes and back. Their names, versions included, are stored in refs and never change meaning."""
