"""Pictures of graphs: as text, SVG and DOT."""

from autotensor.drawing.collect import graph as graph
from autotensor.drawing.data import Edge as Edge
from autotensor.drawing.data import Kept as Kept
from autotensor.drawing.data import Vertex as Vertex
from autotensor.drawing.model import Graph as Graph
from autotensor.drawing.model import GraphvizError as GraphvizError
from autotensor.drawing.numpy_source import source as source

__all__ = ["Edge", "Graph", "GraphvizError", "Kept", "Vertex", "graph", "source"]
