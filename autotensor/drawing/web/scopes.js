// The tree of scopes: what can be folded into one box, and what is folded at first.

const ALIKE = 3; // equal blocks in a row that make one box
const PIECE = 100; // vertices of a piece of a scope that is too large as it is
const MOST = 3000; // boxes that are drawn at most

/**
 * A scope, a row of equal ones, or a piece of one: {path, label, parent, depth, children, members,
 * forward, backward, first, repeats, open}. Members are its own vertices, by index; forward and
 * backward count all vertices below it.
 */
function treeNode(path, label, parent) {
  return {
    path, label, parent, depth: 0, children: [], members: [], forward: 0, backward: 0,
    first: Infinity, repeats: 1, piece: false, open: false, signature: "",
  };
}

/** The tree of all scopes of a graph; `home` is the node of each vertex. */
class Scopes {
  constructor(graph, most) {
    this.graph = graph;
    this.root = treeNode("", "all", null);
    this.root.open = true;
    this.home = new Array(graph.vertices.length);
    this._place();
    this._sign();
    this._cut(most);
    this._join();
    this._count();
  }

  /** All nodes, parents first, children in the order of the picture. */
  get nodes() {
    const nodes = [];
    const stack = [this.root];
    while (stack.length) {
      const node = stack.pop();
      nodes.push(node);
      for (let i = node.children.length - 1; i >= 0; i--) stack.push(node.children[i]);
    }
    return nodes;
  }

  _place() {
    const { vertices, users } = this.graph;
    const byPath = new Map([["", this.root]]);
    const nodeOf = (scope) => {
      let node = this.root;
      let path = "";
      for (const part of scope.split("/")) {
        if (!part) continue;
        path = path ? `${path}/${part}` : part;
        if (!byPath.has(path)) {
          const child = treeNode(path, part, node);
          node.children.push(child);
          byPath.set(path, child);
        }
        node = byPath.get(path);
      }
      return node;
    };
    vertices.forEach((v, i) => { if (!v.of) this.home[i] = nodeOf(v.scope || ""); });
    // A parameter outside of all scopes is at home where it is used; so is an unnamed constant.
    vertices.forEach((v, i) => {
      const loose = v.kind === "leaf" || (v.kind === "constant" && !v.name);
      if (v.of || v.scope || !loose) return;
      const homes = users[i].filter((u) => !vertices[u].of).map((u) => this.home[u]);
      if (homes.length) this.home[i] = homes.reduce(common);
    });
    // Operands are drawn with what uses them first.
    const firstUse = (i) => users[i].reduce((id, u) => Math.min(id, vertices[u].id), Infinity);
    this.order = vertices.map((v, i) => (v.kind === "op" ? v.id : firstUse(i)));
    const sorted = [...vertices.keys()].filter((i) => !vertices[i].of)
      .sort((a, b) => this.order[a] - this.order[b] || a - b);
    for (const i of sorted) this.home[i].members.push(i);
    this._follow();
  }

  /** What each scope computes, as text that is equal for equal blocks. */
  _sign() {
    const { vertices, index } = this.graph;
    const local = new Map(); // by node the ranks of its vertices in it
    const parts = new Map();
    vertices.forEach((v, i) => {
      if (v.of) return;
      for (let node = this.home[i]; node.parent; node = node.parent) {
        node.first = Math.min(node.first, this.order[i]);
        if (!local.has(node)) {
          local.set(node, new Map());
          parts.set(node, []);
        }
        const own = local.get(node);
        own.set(v.id, own.size);
        const from = (v.arguments || []).map((a) => (own.has(a) ? own.get(a) : "·"));
        const below = this.home[i].path.slice(node.path.length);
        const facts = [v.op || v.kind, v.shape, v.dtype, below, v.options, ...from];
        parts.get(node).push(facts.join("|"));
      }
    });
    for (const [node, texts] of parts) node.signature = texts.join("\n");
  }

  /** Cut what is too many in one scope into pieces by id; hence no piece is used before itself. */
  _cut(most) {
    const { vertices } = this.graph;
    for (const node of this.nodes) {
      if (node.members.length <= most) continue;
      const pieces = [];
      for (let i = 0; i < node.members.length; i += PIECE) {
        const members = node.members.slice(i, i + PIECE);
        const ids = members.map((m) => vertices[m].id);
        const label = `#${ids[0]} … #${ids[ids.length - 1]}`;
        const piece = treeNode(`${node.path}/${label}`, label, node);
        piece.members = members;
        piece.piece = true;
        piece.first = this.order[members[0]];
        for (const m of members) this.home[m] = piece;
        pieces.push(piece);
      }
      node.members = [];
      node.children.push(...grouped(pieces, node, most));
    }
    this._follow();
  }

  /** What the backward pass computes is at home where the op is whose rule computes it. */
  _follow() {
    const { vertices, index } = this.graph;
    vertices.forEach((v, i) => {
      if (v.of) this.home[i] = this.home[index.get(v.of)] || this.root;
    });
  }

  /** Put equal scopes that are numbered and follow each other under a node of their own. */
  _join() {
    const stem = (node) => node.label.replace(/\d+/g, "0");
    const alike = (a, b) => a.signature && a.signature === b.signature && stem(a) === stem(b);
    for (const node of this.nodes) {
      node.children.sort((a, b) => a.first - b.first);
      const rows = [];
      for (const child of node.children) {
        const row = rows[rows.length - 1];
        if (row && alike(row[0], child)) row.push(child);
        else rows.push([child]);
      }
      if (rows.length === 1 && rows[0].length >= ALIKE && !node.members.length && node.parent) {
        node.repeats = rows[0].length;
        continue;
      }
      node.children = rows.flatMap((row) => {
        if (row.length < ALIKE) return row;
        const label = `${row[0].label} … ${row[row.length - 1].label}`;
        const joined = treeNode(node.path ? `${node.path}/${label}` : label, label, node);
        joined.repeats = row.length;
        joined.children = row;
        for (const child of row) child.parent = joined;
        return [joined];
      });
    }
  }

  _count() {
    this.graph.vertices.forEach((v, i) => {
      for (let node = this.home[i]; node; node = node.parent) node[v.of ? "backward" : "forward"]++;
    });
    for (const node of this.nodes) {
      node.depth = node.parent ? node.parent.depth + 1 : 0;
      node.direct = [...node.members];
    }
    this.graph.vertices.forEach((v, i) => { if (v.of) this.home[i].direct.push(i); });
  }

  /**
   * Unfold level by level while no more than `most` boxes are drawn; equal blocks in a row and
   * pieces of what is too large only where `rows` says so.
   * @returns {boolean} whether all is unfolded that was to be
   */
  unfold(most, depth, rows) {
    const boxes = (node) => (node.forward ? 1 : 0) + (node.backward ? 1 : 0);
    const inside = (node) =>
      node.children.reduce((sum, child) => sum + boxes(child), node.direct.length);
    for (const node of this.nodes) node.open = node === this.root;
    let total = inside(this.root);
    let all = true;
    const queue = [...this.root.children];
    for (const node of queue) {
      if (depth !== null && node.depth > depth) continue;
      if ((node.repeats > 1 || node.piece) && !rows) continue;
      const more = inside(node) - boxes(node);
      if (total + more > most) {
        all = false;
        continue;
      }
      total += more;
      node.open = true;
      queue.push(...node.children);
    }
    return all;
  }

  fold() {
    for (const node of this.nodes) node.open = node === this.root;
  }

  /** Unfold all that a vertex is folded into. */
  reveal(i) {
    for (let node = this.home[i]; node; node = node.parent) node.open = true;
  }
}

/** The innermost node that both are in. */
function common(a, b) {
  const path = new Set();
  for (let node = a; node; node = node.parent) path.add(node);
  while (!path.has(b)) b = b.parent;
  return b;
}

/** Pieces under pieces, until there are no more than `most` in one place. */
function grouped(pieces, parent, most) {
  while (pieces.length > Math.max(most, 2)) {
    const groups = [];
    for (let i = 0; i < pieces.length; i += PIECE) {
      const row = pieces.slice(i, i + PIECE);
      const first = row[0].label.split(" … ")[0];
      const label = `${first} … ${row[row.length - 1].label.split(" … ")[1]}`;
      const group = treeNode(`${parent.path}/${label} `, label, parent);
      group.children = row;
      group.piece = true;
      group.first = row[0].first;
      for (const piece of row) piece.parent = group;
      groups.push(group);
    }
    pieces = groups;
  }
  return pieces;
}
