// The points of every layer in an order with few crossings.

const WIRES = 20000; // most points for long edges; above it the longest edges run straight
const SWEEPS = 24;
const PATIENCE = 2; // sweeps that may fail to better the order
const CROWDED = 400; // pairs of edges above which two boxes are not compared

/**
 * A point below `boxes` is a box; the others carry an edge through a layer. The edges that leave a
 * box in one direction and one style share them: they are its trunk.
 *
 * layers: points by layer, top to bottom, in order. layer, place: of each point.
 * up, down: by point, its segments to the layers above and below, as
 *   {point, there, here, solid}: where it ends at the other point and at this, from 0 to 1.
 * trunks: {source, down, kept, points}. ends: by edge {point, trunk}, the last point before its
 *   target; the point is null for an edge within a layer, and for one that is led around nothing.
 */
class Layers {
  constructor(layer, edges) {
    this.boxes = layer.length;
    this.layer = layer.slice();
    this.trunks = [];
    this._carry(edges);
    const total = this.layer.length;
    this.up = Array.from({ length: total }, () => []);
    this.down = Array.from({ length: total }, () => []);
    this._connect(edges);
    this.layers = Array.from({ length: Math.max(-1, ...layer) + 1 }, () => []);
    this.place = new Array(total).fill(0);
    this._order();
  }

  /** The trunks, and the points of the long ones: short ones first, as far as there is room. */
  _carry(edges) {
    const byKey = new Map();
    this.trunkOf = edges.map((edge) => {
      const span = this.layer[edge.target] - this.layer[edge.source];
      if (!span) return null;
      const key = edge.source * 4 + (span > 0 ? 2 : 0) + (edge.kept ? 1 : 0);
      if (!byKey.has(key)) {
        const { source, kept } = edge;
        const trunk = { source, down: span > 0, kept, reach: 0, points: [] };
        byKey.set(key, trunk);
        this.trunks.push(trunk);
      }
      const trunk = byKey.get(key);
      trunk.reach = Math.max(trunk.reach, Math.abs(span) - 1);
      return trunk;
    });
    for (const trunk of [...this.trunks].sort((a, b) => a.reach - b.reach)) {
      if (this.layer.length + trunk.reach > this.boxes + WIRES) break;
      for (let i = 1; i <= trunk.reach; i++) {
        trunk.points.push(this.layer.length);
        this.layer.push(this.layer[trunk.source] + (trunk.down ? i : -i));
      }
    }
  }

  _connect(edges) {
    const join = (from, to, arrival, trunk) => {
      const solid = !trunk.kept;
      const [ours, theirs] = trunk.down ? [this.down, this.up] : [this.up, this.down];
      ours[from].push({ point: to, there: arrival, here: 0.5, solid });
      theirs[to].push({ point: from, there: 0.5, here: arrival, solid });
    };
    for (const trunk of this.trunks) {
      let last = trunk.source;
      for (const point of trunk.points) {
        join(last, point, 0.5, trunk);
        last = point;
      }
    }
    const side = (edge, trunk) => edge.target * 2 + (trunk.down ? 0 : 1);
    const arity = new Map();
    edges.forEach((edge, i) => {
      const trunk = this.trunkOf[i];
      if (trunk) arity.set(side(edge, trunk), (arity.get(side(edge, trunk)) || 0) + 1);
    });
    const arrived = new Map();
    this.ends = edges.map((edge, i) => {
      const trunk = this.trunkOf[i];
      if (!trunk) return { point: null, trunk };
      const key = side(edge, trunk);
      arrived.set(key, (arrived.get(key) || 0) + 1);
      const gap = Math.abs(this.layer[edge.target] - this.layer[edge.source]) - 1;
      if (gap && !trunk.points.length) return { point: null, trunk };
      const point = gap ? trunk.points[gap - 1] : edge.source;
      join(point, edge.target, arrived.get(key) / (arity.get(key) + 1), trunk);
      return { point, trunk };
    });
  }

  /** First as a walk up from the end meets the points, then with sweeps up and down. */
  _order() {
    const seen = new Array(this.layer.length).fill(false);
    for (let start = this.boxes - 1; start >= 0; start--) {
      const stack = [start];
      while (stack.length) {
        const point = stack.pop();
        if (seen[point]) continue;
        seen[point] = true;
        this.layers[this.layer[point]].push(point);
        const up = this.up[point];
        for (let i = up.length - 1; i >= 0; i--) stack.push(up[i].point);
      }
    }
    // What is met from above only, as the end of a trunk that leads up, is met at last.
    this.layers.forEach((layer) => this._number(layer));
    let best = this.layers.map((layer) => layer.slice());
    let fewest = this.crossings();
    let failures = 0;
    for (let i = 0; i < SWEEPS && fewest && failures < PATIENCE; i++) {
      for (const layer of this.layers) this._sort(layer, this.up);
      for (const layer of [...this.layers].reverse()) this._sort(layer, this.down);
      for (const layer of this.layers) this._swap(layer);
      const crossings = this.crossings();
      failures = crossings < fewest ? 0 : failures + 1;
      if (crossings < fewest) {
        best = this.layers.map((layer) => layer.slice());
        fewest = crossings;
      }
    }
    this.layers = best;
    best.forEach((layer) => this._number(layer));
  }

  _number(layer) {
    layer.forEach((point, i) => { this.place[point] = i; });
  }

  /** By the mean place of what is connected on one side; points without any stay where they are. */
  _sort(layer, side) {
    const keyed = [];
    for (const point of layer) {
      const others = side[point];
      if (!others.length) continue;
      let sum = 0;
      for (const other of others) sum += this.place[other.point] + other.there;
      keyed.push([sum / others.length, point]);
    }
    const given = new Set(keyed.map(([, point]) => point));
    keyed.sort((a, b) => a[0] - b[0]);
    let next = 0;
    for (let i = 0; i < layer.length; i++) {
      if (given.has(layer[i])) layer[i] = keyed[next++][1];
    }
    this._number(layer);
  }

  /** Swap neighbours wherever fewer of their segments cross then. */
  _swap(layer) {
    for (let i = 0; i + 1 < layer.length; i++) {
      const [left, right] = [layer[i], layer[i + 1]];
      if (this._crossed(left, right) > this._crossed(right, left)) {
        layer[i] = right;
        layer[i + 1] = left;
        this.place[left] = i + 1;
        this.place[right] = i;
      }
    }
  }

  /** How many segments of two neighbours cross when `left` is on the left. */
  _crossed(left, right) {
    let crossed = 0;
    for (const side of [this.up, this.down]) {
      if (side[left].length * side[right].length > CROWDED) continue;
      for (const a of side[left]) {
        const end = this.place[a.point] + a.there;
        for (const b of side[right]) crossed += end > this.place[b.point] + b.there;
      }
    }
    return crossed;
  }

  /** How many pairs of segments cross. */
  crossings() {
    let crossings = 0;
    for (const layer of this.layers) {
      const segments = [];
      for (const point of layer) {
        for (const s of this.down[point]) {
          segments.push([this.place[point] + s.here, this.place[s.point] + s.there]);
        }
      }
      segments.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
      const ends = [];
      for (const [, end] of segments) {
        const at = after(ends, end);
        crossings += ends.length - at;
        ends.splice(at, 0, end);
      }
    }
    return crossings;
  }
}

/** The index after the last entry of a sorted array that is not above `value`. */
function after(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}
