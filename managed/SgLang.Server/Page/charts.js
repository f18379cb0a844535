// A line chart over the last five minutes: up to two series, drawn on a canvas in the page's colours.
const WINDOW = 300;

class Chart {
  constructor(parent, title, series, format) {
    this.series = series;
    this.format = format;
    this.points = [];
    const box = document.createElement('figure');
    box.className = 'chart';
    box.style.margin = 0;
    box.innerHTML = '<h2></h2><canvas></canvas><div class="legend"></div>';
    box.querySelector('h2').textContent = title;
    this.canvas = box.querySelector('canvas');
    this.canvas.setAttribute('role', 'img');
    this.canvas.setAttribute('aria-label', title);
    this.values = series.map((name, i) => {
      const entry = document.createElement('span');
      const swatch = document.createElement('i');
      swatch.style.background = `var(--${'ab'[i]})`;
      const text = document.createElement('span');
      entry.append(swatch, text);
      box.querySelector('.legend').append(entry);
      return text;
    });
    this.canvas.addEventListener('pointermove', event => { this.pointer = event.offsetX; this.draw(); });
    this.canvas.addEventListener('pointerleave', () => { this.pointer = null; this.draw(); });
    parent.append(box);
  }

  // time in seconds; null values leave a gap.
  add(time, values) {
    this.points.push({ time, values });
    while (this.points[0].time < time - WINDOW) this.points.shift();
    this.draw();
  }

  draw() {
    const scale = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth, height = this.canvas.clientHeight;
    if (width === 0 || this.points.length === 0) return;
    if (this.canvas.width !== Math.round(width * scale)) this.canvas.width = Math.round(width * scale);
    if (this.canvas.height !== Math.round(height * scale)) this.canvas.height = Math.round(height * scale);
    const pen = this.canvas.getContext('2d');
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    const colours = getComputedStyle(document.documentElement);
    const colour = name => colours.getPropertyValue(name).trim();
    const end = this.points[this.points.length - 1].time;
    const left = 46, bottom = height - 16, top = 6;
    const highest = niceAbove(Math.max(...this.points.flatMap(point => point.values.map(value => value ?? 0))));
    const x = time => left + (width - left - 4) * (1 - (end - time) / WINDOW);
    const y = value => bottom - (bottom - top) * value / highest;

    pen.font = '11px system-ui, "DejaVu Sans", sans-serif';
    pen.fillStyle = colour('--quiet');
    pen.strokeStyle = colour('--line');
    pen.lineWidth = 1;
    pen.textAlign = 'right';
    pen.textBaseline = 'middle';
    for (let i = 0; i <= 2; i++) {
      const value = highest * i / 2;
      pen.beginPath();
      pen.moveTo(left, Math.round(y(value)) + 0.5);
      pen.lineTo(width - 4, Math.round(y(value)) + 0.5);
      pen.stroke();
      pen.fillText(this.format(value), left - 6, y(value));
    }
    pen.textBaseline = 'top';
    pen.textAlign = 'left';
    pen.fillText('5 min ago', left, bottom + 4);
    pen.textAlign = 'right';
    pen.fillText('now', width - 4, bottom + 4);

    this.series.forEach((_, i) => {
      pen.strokeStyle = colour(`--${'ab'[i]}`);
      pen.lineWidth = 1.75;
      pen.lineJoin = 'round';
      pen.beginPath();
      let isDrawing = false;
      for (const point of this.points) {
        const value = point.values[i];
        if (value === null) { isDrawing = false; continue; }
        if (isDrawing) pen.lineTo(x(point.time), y(value));
        else pen.moveTo(x(point.time), y(value));
        isDrawing = true;
      }
      pen.stroke();
    });

    let shown = this.points[this.points.length - 1];
    if (this.pointer != null) {
      shown = this.points.reduce((best, point) => Math.abs(x(point.time) - this.pointer) < Math.abs(x(best.time) - this.pointer) ? point : best);
      pen.strokeStyle = colour('--quiet');
      pen.beginPath();
      pen.moveTo(x(shown.time), top);
      pen.lineTo(x(shown.time), bottom);
      pen.stroke();
    }
    this.series.forEach((name, i) => {
      const value = shown.values[i];
      this.values[i].textContent = `${name} ${value === null ? '–' : this.format(value)}`;
    });
  }
}

function niceAbove(value) {
  if (!(value > 0)) return 1;
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 4, 5, 10].map(step => step * unit).find(step => step >= value);
}

const plain = value => value >= 10000 ? `${+(value / 1000).toPrecision(3)}k` : `${+value.toPrecision(3)}`;
const percent = value => `${+(100 * value).toPrecision(3)}%`;
const duration = seconds => seconds == null ? '–' : seconds < 0.001 ? `${+(seconds * 1e6).toPrecision(3)} µs` : seconds < 1 ? `${+(seconds * 1000).toPrecision(3)} ms` : `${+seconds.toPrecision(3)} s`;
