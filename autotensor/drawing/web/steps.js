// The backward pass, one op at a time: which one, its rules, what comes in and what goes out.

class Steps {
  constructor(app) {
    this.app = app;
    this.all = app.graph.steps;
    this.now = 0; // 0: the whole pass
    this.madeIn = new Array(app.graph.vertices.length).fill(0);
    this.all.forEach((step, i) => {
      for (const id of step.made) this.madeIn[app.graph.index.get(id)] = i + 1;
    });
    this.slider = document.getElementById("step");
    document.getElementById("steps").hidden = !this.all.length;
    this.slider.max = String(this.all.length);
    this.slider.addEventListener("input", () => this.go(Number(this.slider.value)));
    document.getElementById("step-back").addEventListener("click", () => this.go(this.now - 1));
    document.getElementById("step-on").addEventListener("click", () => this.go(this.now + 1));
  }

  go(to) {
    if (!this.all.length) return;
    this.now = Math.max(0, Math.min(this.all.length, to));
    this.show();
    const step = this.all[this.now - 1];
    if (!step) return;
    const { drawing, graph, view } = this.app;
    const box = drawing.boxOf[graph.index.get(step.id)];
    view.show(drawing.x[box], drawing.y[box]);
  }

  /** Mark in the picture what the step is about; backward boxes that are made later are hidden. */
  show() {
    const { drawing, graph } = this.app;
    const step = this.all[this.now - 1];
    const lit = step ? drawing.boxOf[graph.index.get(step.id)] : -1;
    const later = drawing.boxes.map((box) =>
      this.now > 0 && box.backward && box.members.every((m) => this.madeIn[m] > this.now));
    drawing.boxes.forEach((box, i) => {
      const fresh = this.now > 0 && box.members.some((m) => this.madeIn[m] === this.now);
      box.element.classList.toggle("lit", i === lit);
      box.element.classList.toggle("later", later[i]);
      box.element.classList.toggle("fresh", fresh);
    });
    const shown = new Set();
    for (const edge of drawing.edges) {
      const hidden = later[edge.source] || later[edge.target];
      edge.element.classList.toggle("later", hidden);
      if (!hidden) shown.add(edge.trunk);
    }
    for (const trunk of drawing.trunks) trunk.classList.toggle("later", !shown.has(trunk));
    this.slider.value = String(this.now);
    const said = step ? `Step ${this.now} of ${this.all.length}` : "The whole pass";
    this.slider.setAttribute("aria-valuetext", said);
    document.body.dataset.step = String(this.now);
    document.getElementById("step-back").disabled = this.now === 0;
    document.getElementById("step-on").disabled = this.now === this.all.length;
    document.getElementById("step-text").replaceChildren(...this._text(step));
  }

  _text(step) {
    const count = this.all.length;
    if (!step) {
      return [html("p", { className: "hint" }, `The whole pass, ${plural(count, "step")}. ` +
        "Move the slider, or press → and ←, to go through it one op at a time.")];
    }
    const { app } = this;
    const to = (id) => (app.graph.index.has(id) ? goTo(app, app.graph.index.get(id)) : `#${id}`);
    const parts = [
      html("p", {}, html("b", {}, `Step ${this.now} of ${count}: `), to(step.id)),
      rows([["incoming cotangent", html("span", { className: "incoming" }, step.incoming)]]),
    ];
    for (const { argument, rule, target, cotangent } of step.outgoing) {
      parts.push(
        html("h3", {}, `rule for ${argument}`),
        html("pre", {}, rule),
        html("p", { className: "outgoing" }, "→ ", to(target), ` ${cotangent}`),
      );
    }
    return parts;
  }
}
