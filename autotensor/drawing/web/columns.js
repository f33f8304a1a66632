// Straight columns: runs of points, one per layer, that share their x.

/**
 * The column of each point: points are linked with their main neighbours above and below. The main
 * neighbour above is the deepest one, so that the long chain goes on straight and short branches
 * join it from the side; where two are equally deep the point goes between them.
 */
function columnsOf(layers) {
  const total = layers.layer.length;
  const box = (point) => point < layers.boxes;
  const depth = new Array(total).fill(0);
  const main = new Array(total).fill(-1);
  for (const layer of layers.layers) {
    for (const point of layer) {
      // What is kept for the backward pass leads from box to box, and pulls none of them along.
      const above = layers.up[point].filter((s) => s.solid || !box(point)).map((s) => s.point);
      const deepest = above.reduce((most, p) => Math.max(most, depth[p]), 0);
      const candidates = new Set(above.filter((p) => depth[p] === deepest));
      if (candidates.size === 1) [main[point]] = candidates;
      depth[point] = above.length ? deepest + (box(point) ? 1 : 0) : 0;
    }
  }
  const column = Array.from({ length: total }, (_, i) => i);
  for (const layer of layers.layers) {
    const links = [];
    for (const point of layer) {
      const below = [...new Set(layers.down[point].map((s) => s.point))]
        .filter((p) => main[p] === point)
        .sort((a, b) => layers.place[a] - layers.place[b]);
      // A line goes on as a line, a box goes on with a box where there is one.
      let alike = below.filter((p) => box(p) === box(point));
      if (!alike.length) alike = below;
      if (alike.length % 2) links.push([point, alike[alike.length >> 1]]);
    }
    for (const [upper, lower] of uncrossed(links, layers.place)) column[lower] = column[upper];
  }
  return column;
}

/** The most links, of those sorted by their upper end, that do not cross each other. */
function uncrossed(links, place) {
  const tails = []; // smallest lower place with which a run of each length can end
  const ends = []; // the link that it ends with
  const previous = links.map(([, lower], i) => {
    const length = after(tails, place[lower] - 0.5);
    tails[length] = place[lower];
    ends[length] = i;
    return length ? ends[length - 1] : -1;
  });
  const kept = [];
  for (let i = ends.length ? ends[ends.length - 1] : -1; i >= 0; i = previous[i]) {
    kept.push(links[i]);
  }
  return kept;
}

/**
 * The x of each column. Between the leftmost and the rightmost solution lie all others, and so does
 * their middle, where every layer is about centred. From there each column moves toward its
 * neighbours as far as the columns beside it let it.
 */
function settled(layers, column, apart, rounds) {
  const total = layers.layer.length;
  const before = new Map();
  for (const c of column) if (!before.has(c)) before.set(c, new Map());
  const behind = new Map([...before.keys()].map((c) => [c, new Map()]));
  const size = new Array(total).fill(0);
  const pulls = Array.from({ length: total }, () => []);
  for (const layer of layers.layers) {
    layer.forEach((point, i) => {
      const a = column[point];
      size[a]++;
      for (const { point: lower } of layers.down[point]) {
        if (column[lower] === a) continue;
        pulls[a].push(column[lower]);
        pulls[column[lower]].push(a);
      }
      if (i + 1 === layer.length) return;
      const b = column[layer[i + 1]];
      const gap = Math.max(behind.get(a).get(b) || 0, apart(point, layer[i + 1]));
      behind.get(a).set(b, gap);
      before.get(b).set(a, gap);
    });
  }
  const order = fromLeft(before, behind);
  const least = (c, x, none) => {
    let value = none;
    for (const [b, gap] of before.get(c)) value = Math.max(value, x[b] + gap);
    return value;
  };
  const most = (c, x, none) => {
    let value = none;
    for (const [b, gap] of behind.get(c)) value = Math.min(value, x[b] - gap);
    return value;
  };
  const left = [];
  const right = [];
  let width = 0;
  for (const c of order) width = Math.max(width, left[c] = least(c, left, 0));
  for (const c of [...order].reverse()) right[c] = most(c, right, width);
  const x = [];
  for (const c of order) x[c] = (left[c] + right[c]) / 2;
  for (let i = 0; i < rounds; i++) {
    for (const c of i % 2 ? [...order].reverse() : order) {
      let [sum, weight] = [0, 0];
      for (const b of pulls[c]) {
        sum += x[b] * size[b];
        weight += size[b];
      }
      if (weight) {
        const wanted = Math.min(most(c, x, Infinity), sum / weight);
        x[c] = Math.max(least(c, x, -Infinity), wanted);
      }
    }
  }
  return x;
}

/** The columns from left to right. There is such an order because columns do not cross. */
function fromLeft(before, behind) {
  const missing = new Map([...before].map(([c, others]) => [c, others.size]));
  const order = [...missing.keys()].filter((c) => !missing.get(c));
  for (let i = 0; i < order.length; i++) {
    for (const other of behind.get(order[i]).keys()) {
      missing.set(other, missing.get(other) - 1);
      if (!missing.get(other)) order.push(other);
    }
  }
  return order;
}
