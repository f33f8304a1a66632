// What is said about a box: in the panel, as long as the pointer or the focus is on it.

const MANY = 12; // operands or users that are listed

function html(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.filter((child) => child !== null && child !== ""));
  return element;
}

/** A button that goes to a vertex. */
function goTo(app, i) {
  const v = app.graph.vertices[i];
  const button = html("button", { type: "button", className: "go" }, `#${v.id} ${v.title}`);
  button.addEventListener("click", () => app.select(i));
  return button;
}

/** The scope of a vertex, by levels; a button folds each of them that is unfolded. */
function scopeButtons(app, i) {
  const nodes = [];
  for (let node = app.scopes.home[i]; node.parent; node = node.parent) nodes.unshift(node);
  return nodes.map((node) => {
    const button = html("button", { type: "button", className: "go" }, `${node.label}`);
    button.title = node.open ? `Fold ${node.path}` : `Unfold ${node.path}`;
    button.addEventListener("click", () => app.toggle(node));
    return button;
  });
}

function rows(pairs) {
  const list = html("dl", {});
  for (const [name, ...values] of pairs) {
    const given = values.filter((value) => value !== undefined && value !== "" && value !== null);
    if (given.length) list.append(html("dt", {}, name), html("dd", {}, ...given));
  }
  return list;
}

function vertexDetails(app, i) {
  const v = app.graph.vertices[i];
  const { index, users } = app.graph;
  const some = (all) => [
    ...all.slice(0, MANY).map((other) => goTo(app, other)),
    all.length > MANY ? `and ${all.length - MANY} more` : "",
  ];
  const operands = (v.arguments || []).map((a) =>
    typeof a === "number" && index.has(a) ? goTo(app, index.get(a)) : html("span", {}, String(a)));
  const role = app.graph.roles.find(([name]) => name === v.role);
  return [
    html("h2", {}, `#${v.id} ${v.title}`),
    rows([
      ["name", v.name],
      ["is", v.of ? "backward pass" : v.kind === "op" ? "" : role[1]],
      ["op", v.op, v.options ? ` ${v.options.join(", ")}` : ""],
      ["shape", v.shape],
      ["dtype", v.dtype],
      ["value", v.value],
      ["not finite", v.bad],
      ["gradient norm", v.grad === undefined ? "" : String(v.grad)],
      ["bytes", v.bytes ? byteSize(v.bytes) : ""],
      ["kept for backward", v.kept ? byteSize(v.kept) : ""],
      ["line", v.line],
      ["scope", ...scopeButtons(app, i)],
      ["gradient of", v.gradient && index.has(v.gradient) ? goTo(app, index.get(v.gradient)) : ""],
      ["by a rule of", v.of && index.has(v.of) ? goTo(app, index.get(v.of)) : ""],
      ["operands", ...operands.slice(0, MANY),
        operands.length > MANY ? `and ${operands.length - MANY} more` : ""],
      ["used by", ...some([...new Set(users[i])])],
    ]),
  ];
}

function foldDetails(app, box) {
  const { node } = box;
  const members = box.members.map((m) => app.graph.vertices[m]);
  const ops = new Map();
  for (const v of members) if (v.op) ops.set(v.op, (ops.get(v.op) || 0) + 1);
  const common = [...ops].sort((a, b) => b[1] - a[1]).slice(0, MANY);
  const sum = (name) => members.reduce((total, v) => total + (v[name] || 0), 0);
  const bad = box.members.filter((m) => app.graph.vertices[m].bad);
  const button = html("button", { type: "button" }, "Unfold");
  button.addEventListener("click", () => app.toggle(node));
  return [
    html("h2", {}, box.label.title),
    rows([
      ["stands for", plural(members.length, "vertex", "vertices"),
        node.repeats > 1 ? ` in ${node.repeats} equal blocks` : ""],
      ["ops", common.map(([op, count]) => (count > 1 ? `${op} × ${count}` : op)).join(", ")],
      ["bytes", sum("bytes") ? byteSize(sum("bytes")) : ""],
      ["kept for backward", sum("kept") ? byteSize(sum("kept")) : ""],
      ["scope", node.path],
      ["not finite", ...bad.slice(0, MANY).map((m) => goTo(app, m))],
    ]),
    button,
  ];
}

function showDetails(app, box) {
  const panel = document.getElementById("details");
  panel.dataset.key = box ? box.key : "";
  if (!box) {
    const hint = "Point at a box to read about it. Click a folded one to unfold it. " +
      "Drag to move, turn the wheel to zoom.";
    panel.replaceChildren(html("p", { className: "hint" }, hint));
    return;
  }
  const said = box.vertex === null ? foldDetails(app, box) : vertexDetails(app, box.vertex);
  panel.replaceChildren(...said);
}

/** The tree of scopes, as far as it is unfolded. */
function showTree(app) {
  const tree = document.getElementById("tree");
  document.getElementById("scopes").hidden = !app.scopes.root.children.length;
  const shown = app.scopes.nodes.filter((node) => node.parent && node.parent.open);
  tree.replaceChildren(...shown.map((node) => {
    const name = node.repeats > 1 ? `${node.label} × ${node.repeats}` : node.label;
    const arrow = html("span", { className: "arrow" }, node.open ? "▾" : "▸");
    arrow.setAttribute("aria-hidden", "true");
    const count = html("span", { className: "count" }, String(node.forward + node.backward));
    const button = html("button", { type: "button", title: node.path }, arrow, name, count);
    button.dataset.path = node.path;
    button.setAttribute("role", "treeitem");
    button.setAttribute("aria-expanded", String(node.open));
    button.setAttribute("aria-level", String(node.depth));
    button.style.paddingLeft = `${Math.min(node.depth, 12) * 12 - 8}px`;
    button.addEventListener("click", () => {
      app.toggle(node);
      const again = [...tree.querySelectorAll("button")].find((b) => b.dataset.path === node.path);
      if (again) again.focus();
    });
    button.addEventListener("pointerenter", () => app.mark(node));
    button.addEventListener("pointerleave", () => app.mark(null));
    return html("li", { role: "none" }, button);
  }));
}

/** The roles that occur, as small boxes with words beside them. */
function showLegend(app) {
  const { vertices, roles } = app.graph;
  const called = new Map([...roles, ["backward", "backward pass"], ["fold", "folded scope"]]);
  const present = new Set(vertices.map((v) => (v.of && v.role === "op" ? "backward" : v.role)));
  if (app.scopes.root.children.length) present.add("fold");
  const legend = document.getElementById("legend");
  const entries = [...called].filter(([name]) => present.has(name)).map(([name, said]) =>
    html("span", { className: `swatch ${name}` }, html("i", {}), said));
  if (vertices.some((v) => v.of)) {
    entries.push(html("span", { className: "swatch line" }, html("i", {}), "kept array"));
  }
  if (vertices.some((v) => v.bad)) {
    const said = "not finite, the first heavy";
    entries.push(html("span", { className: "swatch bad" }, html("i", {}), said));
  }
  if (app.scale.some) {
    const scale = html("span", { className: "scale" });
    for (let i = 0; i <= 6; i++) {
      scale.append(html("i", { style: `background: ${app.scale.between(i / 6)}` }));
    }
    const words = `gradient norm 1e${app.scale.low} to 1e${app.scale.high}`;
    entries.push(html("span", { className: "swatch" }, scale, words));
  }
  legend.replaceChildren(...entries);
}
