// Layers from top to bottom: positions of nodes and bends of edges, by dagre.

/* global dagre */

/** `{nodes: id -> {x, y}, edges: id -> [{x, y}]}` for nodes with sizes and edges between them. */
export function layered(nodes, edges) {
  const graph = new dagre.graphlib.Graph({ multigraph: true });
  graph.setGraph({ rankdir: "TB", nodesep: 24, ranksep: 26, edgesep: 12, ranker: nodes.length > 400 ? "longest-path" : "network-simplex" });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id, width, height } of nodes) graph.setNode(id, { width, height });
  for (const { id, source, target } of edges) graph.setEdge(source, target, {}, id);
  dagre.layout(graph);
  const placed = {};
  for (const id of graph.nodes()) {
    const { x, y, width, height } = graph.node(id);
    placed[id] = { x, y, width, height };
  }
  const bent = {};
  for (const edge of graph.edges()) bent[edge.name] = graph.edge(edge).points.slice(1, -1);
  return { nodes: placed, edges: bent };
}

/**
 * Bends as cytoscape wants them: each as a part of the way from source to target, and a distance from it.
 * An edge leaves its source in the middle of the lower side and enters its target in that of the upper.
 */
export function bends(source, target, points) {
  const from = { x: source.x, y: source.y + source.height / 2 };
  const to = { x: target.x, y: target.y - target.height / 2 };
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const length = Math.hypot(dx, dy) || 1;
  const told = points.map(({ x, y }) => {
    const [px, py] = [x - from.x, y - from.y];
    return { weight: (px * dx + py * dy) / (length * length), distance: (px * -dy + py * dx) / length };
  });
  return told.some(({ distance }) => Math.abs(distance) > 2) ? told : [];
}
