// The lungs in 3D: triangles drawn by depth into a picture, lit as glass with the nodules inside. No WebGL is needed.

const GLASS = [172, 205, 235];
const GLASS_BACK = [70, 92, 122];
const SKY = [13, 17, 23];
const LIGHT = unit([-0.45, 0.6, -0.66]); // right, up, away: over the viewer's left shoulder
const TURN_STEP = 15; // degrees of an arrow key
const DRAG_DEGREES = 0.5; // per pixel of the page

function unit(v) {
  const length = Math.hypot(...v) || 1;
  return v.map((part) => part / length);
}

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

class LungViewer {
  constructor(net, canvas, output) {
    const corners = new Int16Array(bytesOf(net.corners).buffer);
    this.corners = Float32Array.from(corners, (value) => value / net.per_mm);
    this.triangles = new Uint16Array(bytesOf(net.triangles).buffer);
    this.normals = normalsOf(this.corners, this.triangles);
    Object.assign(this, { net, canvas, output, turn: 0, tilt: 0, waiting: false });
    const size = canvas.width;
    this.image = new ImageData(size, size);
    this.colour = new Float32Array(3 * size * size);
    this.glass = new Float32Array(size * size); // share of the front glass that stays
    // Per pixel: nearest depth of the front, and normal of front and back as right, up, away.
    this.depth = [new Float32Array(size * size), new Float32Array(size * size)];
    this.normal = [new Float32Array(3 * size * size), new Float32Array(3 * size * size)];
    this.seen = new Float32Array(this.corners.length);
    this.facing = new Float32Array(this.corners.length);
  }

  look(turn, tilt) {
    this.turn = ((turn % 360) + 360) % 360;
    this.tilt = Math.min(Math.max(tilt, -90), 90);
    this.output.textContent = filled(words.turned, { turn: Math.round(this.turn), tilt: Math.round(this.tilt) });
    if (this.waiting) { return; }
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  // What is right, up and away on the screen, in LPS, for a viewer who went to the patient's left and up.
  axes() {
    const [turn, tilt] = [this.turn, this.tilt].map((angle) => angle * Math.PI / 180);
    const right = [Math.cos(turn), Math.sin(turn), 0];
    const level = [-Math.sin(turn), Math.cos(turn), 0];
    const up = [level[0] * Math.sin(tilt), level[1] * Math.sin(tilt), Math.cos(tilt)];
    const away = [level[0] * Math.cos(tilt), level[1] * Math.cos(tilt), -Math.sin(tilt)];
    return [right, up, away];
  }

  draw() {
    const axes = this.axes();
    const size = this.canvas.width;
    const scale = size / (2 * this.net.half_width_mm);
    this.project(axes, size, scale);
    this.depth[0].fill(Infinity);
    this.depth[1].fill(-Infinity);
    for (let place = 0; place < this.triangles.length; place += 3) { this.fill(place, size); }
    const balls = this.net.nodules.map((nodule) => this.ball(nodule, axes, size, scale)).sort((a, b) => b.away - a.away);
    this.shade(balls, size);
    const context = this.canvas.getContext("2d");
    context.putImageData(this.image, 0, 0);
    this.annotate(context, axes, balls, size);
    Object.assign(this.canvas.dataset, { turn: Math.round(this.turn), tilt: Math.round(this.tilt) });
  }

  project([right, up, away], size, scale) {
    const { corners, normals, seen, facing } = this;
    for (let at = 0; at < corners.length; at += 3) {
      const corner = [corners[at], corners[at + 1], corners[at + 2]];
      const normal = [normals[at], normals[at + 1], normals[at + 2]];
      seen[at] = size / 2 + dot(right, corner) * scale;
      seen[at + 1] = size / 2 - dot(up, corner) * scale;
      seen[at + 2] = dot(away, corner);
      facing[at] = dot(right, normal);
      facing[at + 1] = dot(up, normal);
      facing[at + 2] = dot(away, normal);
    }
  }

  // One triangle: the front keeps what is nearest, the back what is farthest.
  fill(place, size) {
    const { triangles, seen, facing } = this;
    const [a, b, c] = [triangles[place] * 3, triangles[place + 1] * 3, triangles[place + 2] * 3];
    const area = (seen[b] - seen[a]) * (seen[c + 1] - seen[a + 1]) - (seen[c] - seen[a]) * (seen[b + 1] - seen[a + 1]);
    if (Math.abs(area) < 1e-6) { return; }
    const side = facing[a + 2] + facing[b + 2] + facing[c + 2] < 0 ? 0 : 1;
    const [depth, normal] = [this.depth[side], this.normal[side]];
    const left = Math.max(0, Math.ceil(Math.min(seen[a], seen[b], seen[c]) - 0.5));
    const last = Math.min(size - 1, Math.floor(Math.max(seen[a], seen[b], seen[c]) - 0.5));
    const top = Math.max(0, Math.ceil(Math.min(seen[a + 1], seen[b + 1], seen[c + 1]) - 0.5));
    const low = Math.min(size - 1, Math.floor(Math.max(seen[a + 1], seen[b + 1], seen[c + 1]) - 0.5));
    // Edge functions over the area are the corners' shares; along a row they change by the same amount.
    const [ax, ay, az, bx, by, bz] = [seen[a], seen[a + 1], seen[a + 2], seen[b], seen[b + 1], seen[b + 2]];
    const [cx, cy, cz] = [seen[c], seen[c + 1], seen[c + 2]];
    const [stepU, stepV] = [(by - cy) / area, (cy - ay) / area];
    for (let y = top; y <= low; y += 1) {
      const px = left + 0.5;
      const py = y + 0.5;
      let u = ((bx - px) * (cy - py) - (cx - px) * (by - py)) / area;
      let v = ((cx - px) * (ay - py) - (ax - px) * (cy - py)) / area;
      for (let x = left; x <= last; x += 1, u += stepU, v += stepV) {
        const w = 1 - u - v;
        if (u < 0 || v < 0 || w < 0) { continue; }
        const z = u * az + v * bz + w * cz;
        const pixel = y * size + x;
        if (side === 0 ? z >= depth[pixel] : z <= depth[pixel]) { continue; }
        depth[pixel] = z;
        normal[3 * pixel] = u * facing[a] + v * facing[b] + w * facing[c];
        normal[3 * pixel + 1] = u * facing[a + 1] + v * facing[b + 1] + w * facing[c + 1];
        normal[3 * pixel + 2] = u * facing[a + 2] + v * facing[b + 2] + w * facing[c + 2];
      }
    }
  }

  ball(nodule, [right, up, away], size, scale) {
    return {
      nodule,
      x: size / 2 + dot(right, nodule.center_mm) * scale,
      y: size / 2 - dot(up, nodule.center_mm) * scale,
      away: dot(away, nodule.center_mm),
      radius: nodule.radius_mm * scale,
    };
  }

  // Sky, back of the glass, balls from far to near, front of the glass where no ball sticks out of it.
  shade(balls, size) {
    const { colour, glass } = this;
    const [front, back] = this.depth;
    for (let pixel = 0; pixel < size * size; pixel += 1) {
      colour.set(SKY, 3 * pixel);
      if (back[pixel] > -Infinity) { blend(colour, pixel, GLASS_BACK, lit(this.normal[1], 3 * pixel, 0.25), 0.85); }
    }
    glass.fill(1);
    balls.forEach((ball) => this.shadeBall(ball, size));
    const pixels = this.image.data;
    for (let pixel = 0; pixel < size * size; pixel += 1) {
      if (front[pixel] < Infinity) {
        const rim = 1 - Math.min(Math.max(-this.normal[0][3 * pixel + 2], 0), 1);
        blend(colour, pixel, GLASS, lit(this.normal[0], 3 * pixel, 0.15), (0.3 + 0.45 * rim * rim) * glass[pixel]);
      }
      pixels[4 * pixel] = colour[3 * pixel];
      pixels[4 * pixel + 1] = colour[3 * pixel + 1];
      pixels[4 * pixel + 2] = colour[3 * pixel + 2];
      pixels[4 * pixel + 3] = 255;
    }
  }

  shadeBall({ nodule, x, y, away, radius }, size) {
    const normal = [0, 0, 0];
    const clipped = (value) => Math.min(Math.max(Math.round(value), 0), size);
    for (let row = clipped(y - radius - 1); row < clipped(y + radius + 1); row += 1) {
      for (let column = clipped(x - radius - 1); column < clipped(x + radius + 1); column += 1) {
        const pixel = row * size + column;
        normal[0] = (column + 0.5 - x) / radius;
        normal[1] = (y - row - 0.5) / radius;
        const squared = normal[0] * normal[0] + normal[1] * normal[1];
        const toward = Math.sqrt(Math.max(0, 1 - squared));
        normal[2] = -toward;
        const edge = Math.min(Math.max((1 - Math.sqrt(squared)) * radius + 0.5, 0), 1);
        blend(this.colour, pixel, nodule.colour, lit(normal, 0, 0.45), edge);
        if (away - toward * nodule.radius_mm < this.depth[0][pixel]) { this.glass[pixel] *= 1 - edge; }
      }
    }
  }

  // Numbers of the nodules, and which way the picture looks.
  annotate(context, [right, up], balls, size) {
    const text = size / 28;
    for (const ball of balls) {
      const [r, g, b] = ball.nodule.colour;
      const [x, y] = [ball.x + ball.radius + 4, ball.y - ball.radius - 4];
      write(context, String(ball.nodule.id), x, y, text, `rgb(${r} ${g} ${b})`, "left", "bottom");
    }
    const opposite = (v) => v.map((part) => -part);
    write(context, sideOf(opposite(right)), 8, size / 2, text, "#ffc857", "left", "middle");
    write(context, sideOf(right), size - 8, size / 2, text, "#ffc857", "right", "middle");
    write(context, sideOf(up), size / 2, 8, text, "#ffc857", "center", "top");
    write(context, sideOf(opposite(up)), size / 2, size - 8, text, "#ffc857", "center", "bottom");
  }
}

// Outward normal of every corner: the sum of its triangles', each as long as the triangle is large.
function normalsOf(corners, triangles) {
  const normals = new Float32Array(corners.length);
  for (let place = 0; place < triangles.length; place += 3) {
    const at = [0, 1, 2].map((corner) => triangles[place + corner] * 3);
    const [p, q, r] = at.map((first) => [corners[first], corners[first + 1], corners[first + 2]]);
    const [u, v] = [q, r].map((end) => end.map((value, axis) => value - p[axis]));
    const cross = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    for (const first of at) { cross.forEach((value, axis) => { normals[first + axis] += value; }); }
  }
  for (let at = 0; at < normals.length; at += 3) {
    normals.set(unit([normals[at], normals[at + 1], normals[at + 2]]), at);
  }
  return normals;
}

// Lambert's law on both faces of the surface, plus even light.
function lit(normal, at, ambient) {
  const share = Math.abs(LIGHT[0] * normal[at] + LIGHT[1] * normal[at + 1] + LIGHT[2] * normal[at + 2]);
  return (ambient + (1 - ambient) * share) * 1.15;
}

function blend(colour, pixel, layer, light, alpha) {
  for (let part = 0; part < 3; part += 1) {
    const at = 3 * pixel + part;
    colour[at] += alpha * (Math.min(255, layer[part] * light) - colour[at]);
  }
}

// Letters of a direction in the patient, the strongest first; shares under sin 15 degrees are left out.
function sideOf(direction) {
  return direction
    .map((share, axis) => [Math.abs(share), ["RL", "AP", "FH"][axis][share > 0 ? 1 : 0]])
    .filter(([share]) => share > 0.26)
    .sort((a, b) => b[0] - a[0])
    .map(([, letter]) => letter)
    .join("");
}

const lungScreen = byId("lung-screen");
const lungs = new LungViewer(told("lung-data"), byId("lung-canvas"), byId("lung-text"));
const turns = {
  ArrowLeft: [TURN_STEP, 0],
  ArrowRight: [-TURN_STEP, 0],
  ArrowUp: [0, -TURN_STEP],
  ArrowDown: [0, TURN_STEP],
};
lungScreen.addEventListener("keydown", (event) => {
  if (event.key === "Home") { lungs.look(0, 0); }
  else if (event.key in turns) { lungs.look(lungs.turn + turns[event.key][0], lungs.tilt + turns[event.key][1]); }
  else { return; }
  event.preventDefault();
});
document.querySelectorAll("button[data-turn]").forEach((button) => button.addEventListener("click", () => {
  lungs.look(Number(button.dataset.turn), Number(button.dataset.tilt));
}));
dragged(lungScreen, (dx, dy) => {
  lungs.look(lungs.turn - dx * DRAG_DEGREES, lungs.tilt + dy * DRAG_DEGREES);
});
lungs.look(0, 0);
