// A ping names the top of the log. If that is not what came last here, and does not come soon, the page
// comes back and asks; once for each such position, for the answer settles it.

const WITHIN = 5000; // ms for what is on its way

export class CatchUp {
  constructor({ log, clock, comeBack }) {
    Object.assign(this, { log, clock, comeBack });
    this.doubted = null; // the position that was asked about last
    this.timer = null;
  }

  compare(position) {
    this.cancel();
    const { head } = this.log;
    if (!position || head === null || position === this.doubted || this.log.holds(position)) return;
    this.timer = this.clock.after(WITHIN, () => {
      if (this.log.head !== head) return; // it moves: prev tells of any hole
      this.doubted = position;
      this.comeBack();
    });
  }

  cancel() {
    this.clock.cancel(this.timer);
  }
}
