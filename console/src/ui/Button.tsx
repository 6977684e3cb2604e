import type { ButtonHTMLAttributes, ReactNode } from 'react';
import { Tooltip } from 'radix-ui';
import css from './ui.module.css';

type Props = ButtonHTMLAttributes<HTMLButtonElement> & {
  kind?: 'primary' | 'plain' | 'quiet' | 'danger';
  icon?: ReactNode;
};

export function Button({ kind = 'plain', icon, children, className = '', ...rest }: Props) {
  return (
    <button type="button" className={`${css.button} ${css[kind]} ${className}`} {...rest}>
      {icon}
      {children}
    </button>
  );
}

type IconProps = ButtonHTMLAttributes<HTMLButtonElement> & {
  /** What it does: the tooltip, and the name for screen readers. */
  label: string;
  side?: 'top' | 'right' | 'bottom' | 'left';
  pressed?: boolean;
};

export function IconButton({ label, side = 'bottom', pressed, className = '', children, ...rest }: IconProps) {
  return (
    <Hint text={label} side={side}>
      <button type="button" aria-label={label} aria-pressed={pressed} className={`${css.icon} ${className}`} {...rest}>
        {children}
      </button>
    </Hint>
  );
}

export function Hint({ text, side = 'bottom', children }: { text: string; side?: IconProps['side']; children: ReactNode }) {
  return (
    <Tooltip.Root>
      <Tooltip.Trigger asChild>{children}</Tooltip.Trigger>
      <Tooltip.Portal>
        <Tooltip.Content side={side} sideOffset={6} collisionPadding={8} className={css.hint}>
          {text}
        </Tooltip.Content>
      </Tooltip.Portal>
    </Tooltip.Root>
  );
}
