// Where the boxes and the lines go. Sizes and edges go in; nothing here knows what a box shows.

const BESIDE = 22; // between boxes of a layer
const BESIDE_LINE = 16; // between a box and a line
const BETWEEN = 38; // between layers
const STEEP = 0.14; // of the widest step between two layers, added to the distance between them
const FURTHEST = 160; // most of that
const CORNER = 12; // of a box, where no edge ends
const PORT = 16; // between the ends of edges at one box
const ROUNDS = 8;

/**
 * @param {{width, height}[]} sizes of the boxes
 * @param {{source, target, kept}[]} edges those of one target in the order of its arguments
 * @param {number[]} rank how many layers are below each box
 * @returns {{x, y, edges, trunks, width, height}} the centres of the boxes; by edge {points, trunk,
 *   down}: where it runs after it left the trunk, an index of trunks or -1, and whether it arrives
 *   from above; by trunk {points, kept, source}
 */
function layout(sizes, edges, rank) {
  const deepest = Math.max(0, ...rank);
  const layers = new Layers(rank.map((r) => deepest - r), edges);
  const column = columnsOf(layers);
  const half = (point) => (point < sizes.length ? sizes[point].width / 2 : 0);
  const apart = (a, b) =>
    half(a) + half(b) + (Math.max(a, b) < sizes.length ? BESIDE : BESIDE_LINE);
  const at = settled(layers, column, apart, ROUNDS);
  let x = column.map((c) => at[c]);
  const least = x.reduce((low, value, p) => Math.min(low, value - half(p)), Infinity);
  x = x.map((value) => value - least);
  const { top, bottom, height } = bands(layers, sizes, x);
  const y = sizes.map((_, i) => (top[i] + bottom[i]) / 2);
  const ends = ports(layers, column, sizes, edges, x);

  /** From the side of a box, or of what it is in, into the gap beside its layer. */
  const leave = (box, dx, down) => {
    const side = (sizes[box].height / 2) * (down ? 1 : -1);
    return [[x[box] + dx, y[box] + side], [x[box] + dx, down ? bottom[box] : top[box]]];
  };
  const trunks = layers.trunks.map((trunk) => {
    const start = leave(trunk.source, ends.leaving.get(trunk), trunk.down);
    const points = trunk.points.length ? start : [];
    for (const p of trunk.points) {
      const through = [[x[p], top[p]], [x[p], bottom[p]]];
      points.push(...(trunk.down ? through : through.reverse()));
    }
    return { points, kept: trunk.kept, source: trunk.source };
  });
  const number = new Map(layers.trunks.map((trunk, i) => [trunk, i]));
  const lines = edges.map((edge, i) => {
    const { point, trunk } = layers.ends[i];
    if (!trunk) return { points: beside(edge, sizes, x, y, bottom), trunk: -1, down: false };
    const down = trunk.down;
    const onTrunk = point !== null && point !== edge.source;
    const points = onTrunk
      ? [[x[point], down ? bottom[point] : top[point]]]
      : leave(edge.source, ends.leaving.get(trunk) + ends.shift[i], down);
    points.push(...leave(edge.target, ends.arriving[i], !down).reverse());
    return { points, trunk: onTrunk ? number.get(trunk) : -1, down };
  });
  const width = x.reduce((most, value, p) => Math.max(most, value + half(p)), 0);
  return { x: x.slice(0, sizes.length), y, edges: lines, trunks, width, height };
}

/** Top and bottom of the layer of each point; layers are further apart where lines run far. */
function bands(layers, sizes, x) {
  const [top, bottom] = [[], []];
  let [from, to] = [0, 0];
  for (const layer of layers.layers) {
    to = from;
    let aside = 0;
    for (const p of layer) {
      if (p < sizes.length) to = Math.max(to, from + sizes[p].height);
      for (const s of layers.down[p]) aside = Math.max(aside, Math.abs(x[p] - x[s.point]));
    }
    for (const p of layer) {
      top[p] = from;
      bottom[p] = to;
    }
    from = to + BETWEEN + Math.min(STEEP * aside, FURTHEST);
  }
  return { top, bottom, height: to };
}

/** Where edges leave and arrive, as distances from the middle of the boxes. */
function ports(layers, column, sizes, edges, x) {
  const sides = new Map(); // of box and side: {box, arrivals: indices of edges, trunks}
  const sideOf = (box, atTop) => {
    const key = box * 2 + (atTop ? 1 : 0);
    if (!sides.has(key)) sides.set(key, { box, arrivals: [], trunks: [] });
    return sides.get(key);
  };
  const heads = new Map(); // by trunk the points it leads to at first
  for (const trunk of layers.trunks) {
    sideOf(trunk.source, !trunk.down).trunks.push(trunk);
    heads.set(trunk, trunk.points.slice(0, 1));
  }
  edges.forEach((edge, i) => {
    const { point, trunk } = layers.ends[i];
    if (!trunk) return;
    sideOf(edge.target, trunk.down).arrivals.push(i);
    if (point === edge.source || point === null) heads.get(trunk).push(edge.target);
  });
  const arriving = new Array(edges.length).fill(0);
  const leaving = new Map();
  for (const { box, arrivals, trunks } of sides.values()) {
    const own = (point) => point !== null && column[point] === column[box];
    const out = trunks.map((trunk) => {
      const to = heads.get(trunk);
      const mean = to.reduce((sum, p) => sum + x[p], 0) / to.length;
      return { trunk, x: mean, own: to.some(own) };
    }).sort((a, b) => a.x - b.x);
    // What leaves on a side where edges arrive does so beside them.
    const ends = [
      ...out.filter((end) => end.x < x[box]),
      ...arrivals.map((edge) => ({ edge, own: own(layers.ends[edge].point) })),
      ...out.filter((end) => end.x >= x[box]),
    ];
    const straight = ends.flatMap((end, k) => (end.own ? [k] : []));
    const last = ends.length - 1;
    const middle = straight.length ? straight.reduce((a, b) => a + b) / straight.length : last / 2;
    const reach = Math.max(middle, last - middle) || 1;
    const step = Math.min(PORT, (sizes[box].width / 2 - CORNER) / reach);
    ends.forEach((end, k) => {
      if (end.trunk) leaving.set(end.trunk, (k - middle) * step);
      else arriving[end.edge] = (k - middle) * step;
    });
  }
  return { arriving, leaving, shift: shifts(layers, edges, arriving) };
}

/** Parallel edges leave as they arrive, so that they are parallel lines; others leave together. */
function shifts(layers, edges, arriving) {
  const together = new Map();
  const key = (edge) => `${edge.source} ${edge.target} ${edge.kept}`;
  edges.forEach((edge, i) => {
    if (!together.has(key(edge))) together.set(key(edge), []);
    together.get(key(edge)).push(arriving[i]);
  });
  return edges.map((edge, i) => {
    if (layers.ends[i].point !== edge.source) return 0;
    const all = together.get(key(edge));
    return arriving[i] - all.reduce((a, b) => a + b) / all.length;
  });
}

/** A line between two boxes of one layer, through the gap below it. */
function beside(edge, sizes, x, y, bottom) {
  const { source, target } = edge;
  const side = x[target] > x[source] ? 1 : -1;
  const from = x[source] + (side * sizes[source].width) / 4;
  const to = x[target] - (side * sizes[target].width) / 4;
  const below = bottom[source] + BETWEEN / 2;
  return [
    [from, y[source] + sizes[source].height / 2],
    [from, bottom[source]],
    [(from + to) / 2, below],
    [to, bottom[target]],
    [to, y[target] + sizes[target].height / 2],
  ];
}
