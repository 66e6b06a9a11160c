"""Bytes on disk to batches; no model code here."""
