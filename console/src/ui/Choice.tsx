import { useId } from 'react';
import { Switch as Radix, ToggleGroup } from 'radix-ui';
import css from './ui.module.css';

interface SegmentsProps<T extends string> {
  label: string;
  value: T;
  options: readonly { value: T; label: string }[];
  onChange: (value: T) => void;
}

/** One of a few. */
export function Segments<T extends string>({ label, value, options, onChange }: SegmentsProps<T>) {
  return (
    <ToggleGroup.Root
      type="single" aria-label={label} value={value} className={css.segments}
      // Pressing the chosen one again would choose none.
      onValueChange={(chosen) => chosen && onChange(chosen as T)}
    >
      {options.map((option) => (
        <ToggleGroup.Item key={option.value} value={option.value} className={css.segment}>{option.label}</ToggleGroup.Item>
      ))}
    </ToggleGroup.Root>
  );
}

interface SwitchProps {
  label: string;
  text?: string;
  checked: boolean;
  onChange: (checked: boolean) => void;
}

export function Switch({ label, text, checked, onChange }: SwitchProps) {
  const id = useId();
  return (
    <div className={css.switchRow}>
      <div>
        <label htmlFor={id}>{label}</label>
        {text && <p id={`${id}-text`}>{text}</p>}
      </div>
      <Radix.Root
        id={id} checked={checked} onCheckedChange={onChange} className={css.switch}
        aria-describedby={text ? `${id}-text` : undefined}
      >
        <Radix.Thumb className={css.thumb} />
      </Radix.Root>
    </div>
  );
}
