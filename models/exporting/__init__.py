"""A trained model for other programs: one graph from raw inputs to probabilities or numbers, or its weights."""

from models.exporting.formats import FORMATS, Format
from models.exporting.graph import ExportError, Graph, Signature
from models.exporting.weights import load_safetensors

__all__ = ["FORMATS", "ExportError", "Format", "Graph", "Signature", "load_safetensors"]
