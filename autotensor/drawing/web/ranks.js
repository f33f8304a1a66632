// The layer of every box: by longest path, as near to the end as it can be.

/**
 * @param {number} count of boxes
 * @param {number[][]} constraints pairs [a, b]: a is to be in a layer above b
 * @returns {number[]} by box how many layers are below it. Where constraints go round in a circle,
 *   as for a folded scope that is left and entered again, some of them do not hold.
 */
function ranked(count, constraints) {
  const above = Array.from({ length: count }, () => []);
  const missing = new Array(count).fill(0);
  for (const [a, b] of constraints) {
    above[b].push(a);
    missing[a]++;
  }
  const rank = new Array(count).fill(0);
  const queued = new Array(count).fill(false);
  const queue = [];
  for (let box = count - 1; box >= 0; box--) {
    if (!missing[box]) {
      queued[box] = true;
      queue.push(box);
    }
  }
  let next = count - 1;
  for (let i = 0; i < count; i++) {
    if (i === queue.length) {
      while (queued[next]) next--;
      queued[next] = true;
      queue.push(next);
    }
    const box = queue[i];
    for (const a of above[box]) {
      if (queued[a]) continue;
      rank[a] = Math.max(rank[a], rank[box] + 1);
      if (!--missing[a]) {
        queued[a] = true;
        queue.push(a);
      }
    }
  }
  return rank;
}
