"""Restricted Boltzmann machines: how they learn, are measured, dream and pre-train a stack."""
