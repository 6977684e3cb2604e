import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useTheme } from '../shell/theme';
import { placed } from '../fleet/place';
import { clock, clockSeconds, speed as words, known } from '../lib/format';
import type { Fix } from './track';
import css from './trail.module.css';

const HEIGHT = 132;
/** Half of the widest label of a time, which may stand at the very end. */
const RIGHT = 26;

/** Speed over time. Pointing at it shows the place on the map. */
export function SpeedChart({ fixes, onSpot }: { fixes: readonly Fix[]; onSpot: (fix: Fix | null) => void }) {
  const element = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLParagraphElement>(null);
  const plot = useRef<uPlot>(null);
  const shown = useRef({ fixes, onSpot });
  const theme = useTheme();
  useEffect(() => { shown.current = { fixes, onSpot }; });

  useEffect(() => {
    const place = element.current!;
    const style = getComputedStyle(place);
    const token = (name: string) => style.getPropertyValue(`--${name}`).trim();
    const axis = {
      stroke: token('text-3'), font: `11px ${token('font')}`, grid: { stroke: token('line'), width: 1 },
      ticks: { show: false }, border: { show: false },
    };
    const made = new uPlot(
      {
        width: place.clientWidth, height: HEIGHT, padding: [8, RIGHT, 0, 0], legend: { show: false },
        cursor: { y: false, points: { size: 7 }, drag: { x: false, y: false } },
        scales: { y: { range: (_, __, max) => [0, Math.max(20, Math.ceil((max ?? 0) / 20) * 20)] } },
        axes: [
          { ...axis, size: 26, space: 70, values: (_, at, __, ___, every) => at.map((s) => (every < 60 ? clockSeconds(s * 1000) : clock(s * 1000))) },
          { ...axis, size: 30, space: 34 },
        ],
        series: [
          {},
          { stroke: token('accent'), width: 1.5, fill: token('accent-soft'), points: { show: false }, spanGaps: false },
        ],
        hooks: {
          setCursor: [(u) => {
            const fix = u.cursor.idx == null ? null : shown.current.fixes[u.cursor.idx] ?? null;
            const pointed = (u.cursor.left ?? -1) >= 0 ? fix : null;
            if (tip.current) {
              tip.current.textContent = pointed
                ? `${clockSeconds(pointed.time)}  ${known(pointed.speed) === undefined ? 'speed unknown' : words(pointed.speed)}`
                : 'km/h';
            }
            shown.current.onSpot(pointed && placed(pointed) ? pointed : null);
          }],
        },
      },
      columns(shown.current.fixes),
      place,
    );
    plot.current = made;
    const sized = new ResizeObserver(() => made.setSize({ width: place.clientWidth, height: HEIGHT }));
    sized.observe(place);
    return () => {
      sized.disconnect();
      shown.current.onSpot(null);
      made.destroy();
      plot.current = null;
    };
  }, [theme]);

  useEffect(() => plot.current?.setData(columns(fixes)), [fixes]);

  return (
    <figure className={css.figure}>
      <figcaption className="sr">Speed of the agent over time</figcaption>
      <p ref={tip} className={`${css.tip} num`} aria-hidden>km/h</p>
      <div ref={element} className={css.chart} aria-hidden />
    </figure>
  );
}

function columns(fixes: readonly Fix[]): uPlot.AlignedData {
  return [
    fixes.map(({ time }) => time / 1000),
    fixes.map(({ speed }) => { const value = known(speed); return value === undefined ? null : value * 3.6; }),
  ];
}
