// What is drawn of a graph in a state of folding: its boxes and edges, and the constraints between.

const CROWD = 100; // operands of a box that are not all held above what its rules compute

/** The graph of the page with what is asked of it often. Vertices are named by index. */
function graphOf(data) {
  const { vertices } = data;
  const index = new Map(vertices.map((v, i) => [v.id, i]));
  const users = vertices.map(() => []);
  const edges = data.edges.map(([source, target, position, kept]) => {
    users[index.get(source)].push(index.get(target));
    return { source: index.get(source), target: index.get(target), position, kept: !!kept };
  });
  const bad = vertices.find((v) => v.bad);
  return { ...data, index, users, edges, firstBad: bad ? bad.id : 0 };
}

/**
 * @returns {{boxes, edges, rank, boxOf}} boxes: {key, vertex, node, backward, members}, where
 *   either the vertex (an index) or the node of the tree is null. boxOf: by vertex the index of its
 *   box. edges: {source, target, position, kept, count} between boxes. rank: see `ranked`.
 */
function drawn(graph, scopes) {
  const { vertices } = graph;
  const folded = new Map(); // by node the outermost folded one that it is in, or null
  for (const node of scopes.nodes) {
    folded.set(node, (node.parent && folded.get(node.parent)) || (node.open ? null : node));
  }
  const byKey = new Map();
  vertices.forEach((v, i) => {
    const node = folded.get(scopes.home[i]);
    const backward = !!v.of;
    const key = node ? `${backward ? "backward" : "fold"} ${node.path}` : `vertex ${v.id}`;
    if (!byKey.has(key)) {
      byKey.set(key, { key, vertex: node ? null : i, node, backward, members: [], last: 0 });
    }
    const box = byKey.get(key);
    box.members.push(i);
    // Backward boxes come right before the forward box that they belong to.
    box.last = Math.max(box.last, v.of ? v.of - 0.5 : v.id);
  });
  const boxes = [...byKey.values()].sort((a, b) => a.last - b.last || a.members[0] - b.members[0]);
  const boxOf = new Array(vertices.length);
  boxes.forEach((box, i) => box.members.forEach((m) => { boxOf[m] = i; }));
  const edges = edgesBetween(graph, boxes, boxOf);
  const rank = ranked(boxes.length, constraints(graph, boxes, boxOf, edges));
  // A constant of the backward pass has nothing below it, and stands below its first use.
  const uses = boxes.map(() => []);
  for (const edge of edges) uses[edge.source].push(edge.target);
  const arrives = new Set(edges.map((edge) => edge.target));
  boxes.forEach((box, i) => {
    if (!box.backward || arrives.has(i) || !uses[i].length) return;
    rank[i] = Math.max(0, Math.min(...uses[i].map((user) => rank[user])) - 1);
  });
  return { boxes, edges, rank, boxOf };
}

/** Vertices keep every edge they have; those of folds are drawn once and counted. */
function edgesBetween(graph, boxes, boxOf) {
  const edges = [];
  const merged = new Map();
  for (const edge of graph.edges) {
    const [source, target] = [boxOf[edge.source], boxOf[edge.target]];
    if (source === target) continue;
    const single = boxes[source].vertex !== null && boxes[target].vertex !== null;
    const key = `${source} ${target} ${edge.kept}`;
    if (!single && merged.has(key)) {
      merged.get(key).count++;
      continue;
    }
    const between = { source, target, position: edge.position, kept: edge.kept, count: 1 };
    edges.push(between);
    if (!single) merged.set(key, between);
  }
  return edges.sort((a, b) => a.target - b.target || a.position - b.position);
}

/**
 * The forward pass runs down and the backward pass up. What the rules of an op compute stands
 * between the op and its operands.
 */
function constraints(graph, boxes, boxOf, edges) {
  const pairs = [];
  const operands = boxes.map(() => new Set());
  for (const { source, target } of edges) {
    if (boxes[source].backward) pairs.push([target, source]);
    else if (!boxes[target].backward) {
      pairs.push([source, target]);
      operands[target].add(source);
    }
  }
  const seen = new Set();
  graph.vertices.forEach((v, i) => {
    const own = v.of && graph.index.has(v.of) ? boxOf[graph.index.get(v.of)] : -1;
    const key = `${boxOf[i]} ${own}`;
    if (own < 0 || !(v.arguments || []).length || seen.has(key)) return;
    seen.add(key);
    pairs.push([boxOf[i], own]);
    if (operands[own].size > CROWD) return;
    for (const operand of operands[own]) pairs.push([operand, boxOf[i]]);
  });
  return pairs;
}
