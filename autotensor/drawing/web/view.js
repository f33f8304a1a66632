// Which part of the picture the window shows: drag, wheel, pinch, and what buttons and keys call.

const SMALLEST = 0.02;
const LARGEST = 8;
const READABLE = 0.75; // scale below which a picture is not made smaller to fit at first
const EDGE = 20; // around a picture that fits
const STILL = 4; // pixels that a pointer may move and still be clicking

class View {
  constructor(svg, moved) {
    this.svg = svg;
    this.moved = moved;
    this.k = 1;
    this.x = this.y = 0;
    this.dragged = false;
    this.pointers = new Map();
    svg.addEventListener("wheel", (event) => {
      event.preventDefault();
      const speed = event.deltaMode ? 0.05 : 0.002;
      this.zoom(Math.exp(-Math.max(-240, Math.min(240, event.deltaY)) * speed), ...this._at(event));
    }, { passive: false });
    svg.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      if (!this.pointers.size) this.dragged = false;
      this.pointers.set(event.pointerId, this._at(event));
      this.from = this._at(event);
    });
    svg.addEventListener("pointermove", (event) => this._move(event));
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
      svg.addEventListener(type, (event) => {
        this.pointers.delete(event.pointerId);
        svg.classList.toggle("dragging", this.pointers.size > 0 && this.dragged);
      });
    }
  }

  get size() {
    const { width, height } = this.svg.getBoundingClientRect();
    return { width, height };
  }

  _at(event) {
    const { left, top } = this.svg.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  _move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = this._at(event);
    if (!this.dragged && Math.hypot(now[0] - this.from[0], now[1] - this.from[1]) < STILL) return;
    if (!this.dragged) {
      this.dragged = true;
      this.svg.classList.add("dragging");
      try {
        this.svg.setPointerCapture(event.pointerId);
      } catch {
        // A pointer that is gone already cannot be captured, and need not be.
      }
    }
    const other = [...this.pointers].find(([id]) => id !== event.pointerId);
    this.pointers.set(event.pointerId, now);
    if (!other) {
      this.pan(now[0] - before[0], now[1] - before[1]);
      return;
    }
    const [, fixed] = other;
    const apart = (p) => Math.hypot(p[0] - fixed[0], p[1] - fixed[1]) || 1;
    this.zoom(apart(now) / apart(before), ...fixed);
  }

  pan(dx, dy) {
    this.x += dx;
    this.y += dy;
    this._apply();
  }

  /** Zoom; the point of the picture that is at x, y in the window stays there. */
  zoom(factor, x = this.size.width / 2, y = this.size.height / 2) {
    const k = Math.max(SMALLEST, Math.min(LARGEST, this.k * factor));
    this.x = x - ((x - this.x) * k) / this.k;
    this.y = y - ((y - this.y) * k) / this.k;
    this.k = k;
    this._apply();
  }

  /** The whole picture in the window; at first only if it can be read then. */
  fit(picture, atFirst) {
    const { width, height } = this.size;
    const across = (width - 2 * EDGE) / picture.width;
    const k = Math.min(1.25, across, (height - 2 * EDGE) / picture.height);
    this.k = Math.max(SMALLEST, atFirst ? Math.max(k, READABLE) : k);
    this.x = (width - picture.width * this.k) / 2;
    this.y = Math.max(EDGE, (height - picture.height * this.k) / 2);
    this._apply();
  }

  /** Where a point of the picture is in the window. */
  onScreen(x, y) {
    return [x * this.k + this.x, y * this.k + this.y];
  }

  /** Move a point of the picture to a place in the window. */
  put(x, y, [toX, toY]) {
    this.x = toX - x * this.k;
    this.y = toY - y * this.k;
    this._apply();
  }

  /** Bring a point of the picture into the window, if it is not well inside already. */
  show(x, y) {
    const { width, height } = this.size;
    const [atX, atY] = this.onScreen(x, y);
    const inside = atX > 60 && atY > 40 && atX < width - 60 && atY < height - 40;
    if (!inside) this.put(x, y, [width / 2, height / 2]);
  }

  _apply() {
    this.moved.setAttribute("transform", `translate(${n(this.x)} ${n(this.y)}) scale(${this.k})`);
    Object.assign(this.svg.dataset, { zoom: this.k.toFixed(4), x: n(this.x), y: n(this.y) });
  }
}
