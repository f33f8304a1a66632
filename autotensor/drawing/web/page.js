// The page: its state, and what buttons, keys and pointers do to it.

class App {
  constructor(graph) {
    this.graph = graph;
    this.scopes = new Scopes(graph, graph.most);
    this.scale = gradientScale(graph);
    this.svg = document.getElementById("picture");
    this.moved = document.getElementById("moved");
    this.view = new View(this.svg, this.moved);
    this.selected = null; // an index of a vertex
    this.pointed = null; // an index of a box
    this.found = [];
    this.foundAt = -1;
    this.scopes.unfold(graph.most, graph.depth, false);
    this.steps = new Steps(this);
    document.getElementById("caption").textContent = graph.caption;
    showLegend(this);
    this._listen();
    this.redraw();
    this.view.fit(this.drawing, true);
    if (graph.index.has(graph.focus)) this.select(graph.index.get(graph.focus));
  }

  /** Draw anew. The box of the vertex `anchor` stays where it is in the window. */
  redraw(anchor = null, note = "") {
    const { view } = this;
    const focused = this.moved.contains(document.activeElement);
    const before = anchor === null || !this.drawing ? null : this._place(anchor);
    this.pointed = null;
    this.drawing = picture(this.graph, this.scopes, this.scale, this.moved);
    const { boxes, boxOf } = this.drawing;
    this.at = new Map(boxes.map((box, i) => [box.element, i]));
    if (before) view.put(this.drawing.x[boxOf[anchor]], this.drawing.y[boxOf[anchor]], before);
    if (focused && anchor !== null) boxes[boxOf[anchor]].element.focus({ preventScroll: true });
    document.body.dataset.boxes = String(boxes.length);
    document.body.dataset.folded = String(boxes.filter((box) => box.node).length);
    const status = document.getElementById("status");
    const all = this.graph.vertices.length;
    const count = boxes.length < all ? `${plural(boxes.length, "box", "boxes")} drawn.` : "";
    status.textContent = [count, note].filter(Boolean).join(" ");
    showTree(this);
    this.steps.show();
    this._showFound();
    this._light();
  }

  _place(i) {
    const box = this.drawing.boxOf[i];
    return this.view.onScreen(this.drawing.x[box], this.drawing.y[box]);
  }

  toggle(node) {
    const anchor = this.graph.vertices.findIndex((_, i) => inside(this.scopes.home[i], node));
    node.open = !node.open;
    this.redraw(anchor < 0 ? null : anchor);
  }

  select(i) {
    const box = this.drawing.boxOf[i];
    if (this.drawing.boxes[box].node) {
      this.scopes.reveal(i);
      this.redraw(i);
    }
    this.selected = i;
    this.pointed = null;
    const at = this.drawing.boxOf[i];
    this.view.show(this.drawing.x[at], this.drawing.y[at]);
    this._light();
  }

  /** Show the details of a box, or of the selected one where there is none. */
  point(i) {
    if (this.pointed === i) return;
    this.pointed = i;
    this._light();
  }

  /** Mark all boxes of a scope. */
  mark(node) {
    for (const box of this.drawing.boxes) {
      const marked = node !== null && box.members.some((m) => inside(this.scopes.home[m], node));
      box.element.classList.toggle("marked", marked);
    }
  }

  /** Light the box that is pointed at or selected, what it uses and what uses it. */
  _light() {
    const { boxes, edges, edgesOf, boxOf } = this.drawing;
    for (const element of this.lighted || []) element.classList.remove("hot", "operand", "user");
    const chosen = this.selected === null ? -1 : boxOf[this.selected];
    const now = this.pointed === null ? chosen : this.pointed;
    this.lighted = [];
    const light = (element, kind) => {
      element.classList.add(kind);
      this.lighted.push(element);
    };
    if (now >= 0) {
      light(boxes[now].element, "hot");
      for (const e of edgesOf[now]) {
        const edge = edges[e];
        const kind = edge.target === now ? "operand" : "user";
        light(edge.element, kind);
        if (edge.trunk) light(edge.trunk, kind);
        light(boxes[edge.target === now ? edge.source : edge.target].element, kind);
      }
    }
    boxes.forEach((box, i) => box.element.classList.toggle("selected", i === chosen));
    document.body.dataset.selected = chosen < 0 ? "" : boxes[chosen].key;
    showDetails(this, now < 0 ? null : boxes[now]);
  }

  /** Search in titles, names, ops, shapes and scopes, also of what is folded. */
  search(words) {
    const wanted = words.trim().toLowerCase();
    this.found = wanted
      ? [...this.graph.vertices.keys()].filter((i) => this._text(i).includes(wanted)) : [];
    this.foundAt = -1;
    this.wanted = wanted;
    this._showFound();
  }

  _text(i) {
    this.texts ||= this.graph.vertices.map((v) => {
      const words = [`#${v.id}`, v.title, v.name, v.op, v.shape, v.dtype, v.scope, v.line];
      return words.join("\n").toLowerCase();
    });
    return this.texts[i];
  }

  _showFound() {
    const { boxes, boxOf } = this.drawing;
    const marked = new Set(this.found.map((i) => boxOf[i]));
    boxes.forEach((box, i) => box.element.classList.toggle("match", marked.has(i)));
    this.svg.classList.toggle("searching", !!this.wanted);
    const at = this.foundAt < 0 ? "" : `${this.foundAt + 1} of `;
    document.getElementById("found").textContent =
      this.wanted ? `${at}${this.found.length.toLocaleString("en")} found` : "";
  }

  nextFound(by) {
    if (!this.found.length) return;
    const from = this.foundAt < 0 && by < 0 ? 0 : this.foundAt;
    this.foundAt = (from + by + this.found.length) % this.found.length;
    this.select(this.found[this.foundAt]);
    this._showFound();
  }

  /** A click on a box: unfold it, or select its vertex. */
  use(i) {
    const box = this.drawing.boxes[i];
    if (box.node) this.toggle(box.node);
    else this.select(box.vertex);
  }

  _listen() {
    const { svg, view } = this;
    const on = (id, type, act) => document.getElementById(id).addEventListener(type, act);
    const boxAt = (event) => {
      const element = event.target.closest ? event.target.closest(".box") : null;
      return element ? this.at.get(element) : undefined;
    };
    on("zoom-in", "click", () => view.zoom(1.25));
    on("zoom-out", "click", () => view.zoom(1 / 1.25));
    on("fit", "click", () => view.fit(this.drawing));
    on("fold-all", "click", () => this._foldAll(() => this.scopes.fold()));
    on("unfold-all", "click", () => this._foldAll(() => this.scopes.unfold(MOST, null, true)));
    on("search", "input", (event) => this.search(event.target.value));
    on("search", "keydown", (event) => {
      if (event.key === "Enter") this.nextFound(event.shiftKey ? -1 : 1);
    });
    on("panel-toggle", "click", (event) => {
      const panel = document.getElementById("panel");
      panel.hidden = !panel.hidden;
      event.currentTarget.setAttribute("aria-expanded", String(!panel.hidden));
    });
    svg.addEventListener("pointerover", (event) => {
      if (view.pointers.size) return;
      const i = boxAt(event);
      this.point(i === undefined ? null : i);
    });
    svg.addEventListener("pointerleave", () => this.point(null));
    svg.addEventListener("focusin", (event) => {
      const i = boxAt(event);
      if (i === undefined) return;
      this.point(i);
      if (event.target.matches(":focus-visible")) view.show(this.drawing.x[i], this.drawing.y[i]);
    });
    svg.addEventListener("click", (event) => {
      if (view.dragged) return;
      const i = boxAt(event);
      if (i !== undefined) this.use(i);
      else {
        this.selected = null;
        this.point(null);
        this._light();
      }
    });
    document.addEventListener("keydown", (event) => this._key(event, boxAt(event)));
  }

  _foldAll(change) {
    const note = change() === false
      ? `No more than ${MOST.toLocaleString("en")} boxes are drawn; unfold others one by one.` : "";
    this.redraw(null, note);
    this.view.fit(this.drawing, true);
  }

  _key(event, box) {
    const { view, steps } = this;
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (target.matches("input")) {
      if (key === "Escape") target.blur();
      return;
    }
    const step = steps.all.length > 0 && !event.shiftKey;
    const acts = {
      "+": () => view.zoom(1.25),
      "=": () => view.zoom(1.25),
      "-": () => view.zoom(1 / 1.25),
      0: () => view.fit(this.drawing),
      "/": () => document.getElementById("search").focus(),
      ArrowLeft: () => (step ? steps.go(steps.now - 1) : view.pan(60, 0)),
      ArrowRight: () => (step ? steps.go(steps.now + 1) : view.pan(-60, 0)),
      ArrowUp: () => view.pan(0, 60),
      ArrowDown: () => view.pan(0, -60),
    };
    if (box !== undefined) {
      acts.Enter = acts[" "] = () => this.use(box);
    }
    if (!Object.hasOwn(acts, key)) return;
    event.preventDefault();
    acts[key]();
  }
}

/** Whether a node of the tree is `outer`, or in it. */
function inside(node, outer) {
  while (node && node !== outer) node = node.parent;
  return node === outer;
}

new App(graphOf(JSON.parse(document.getElementById("data").textContent)));
