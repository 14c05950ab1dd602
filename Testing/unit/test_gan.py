"""Training of the progressive GAN: its losses, its growth, the same bits after any stop."""

import copy
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from LungSquadLib.errors import CancelledError, InputError
from LungSquadLib.networks.progressive import Critic, Generator
from LungSquadLib.progress import Silent
from LungSquadLib.training.distributed import DistributedContext
from LungSquadLib.training.gan.ada import DRAWN, augment
from LungSquadLib.training.gan.data import ImageSet
from LungSquadLib.training.gan.growth import Growth
from LungSquadLib.training.gan.options import PRESETS
from LungSquadLib.training.gan.task import Gan, GanRecipe, gradient_penalty, squared_slope
from LungSquadLib.training.loop import Schedule, fit

pytestmark = pytest.mark.usefixtures("one_thread")

GROWTH = Growth(3, 16, 16, {4: 8, 16: 4}, 8)


def images(n, seed=0, size=16):
    """Bright discs with their masks."""
    random = np.random.default_rng(seed)
    y, x = np.indices((size, size)) - size / 2
    disc = x**2 + y**2 < random.uniform(size / 6, size / 2, (n, 1, 1)) ** 2
    mask = np.where(disc, 1.0, -1.0)
    grey = np.clip(mask * 0.6 + random.normal(0, 0.1, mask.shape), -1, 1)
    return torch.from_numpy(np.stack([grey, mask], 1)).float()


def gan(context=DistributedContext(), recipe=GanRecipe(average=0.9), labels=False, **changed):  # noqa: B008
    torch.manual_seed(0)
    arguments = {"channels": 2, "base": 32, "most": 8, "classes": 2 * labels}
    generator, critic = Generator(16, latent=6, **arguments), Critic(16, **arguments)
    told = [torch.arange(n) % 2 if labels else None for n in (20, 8)]
    materials = {
        "training": ImageSet(images(20), told[0]),
        "held_out": ImageSet(images(8, seed=1), told[1]),
    }
    return Gan(generator, critic, GROWTH, **materials | changed, recipe=recipe, context=context)


def trained(task, checkpoint=None, progress=None, ticks=len(GROWTH.ticks)):  # noqa: B008
    plan = Schedule(ticks)
    fit(
        task,
        plan,
        checkpoint=checkpoint,
        context=DistributedContext(),
        progress=progress or Silent(),
    )
    return task


def test_the_paper_s_schedule_grows_to_1024_with_600_thousand_images_a_phase():
    given = PRESETS["paper"]
    growth = Growth(9, given.phase, given.phase, given.batches, given.tick, given.last)
    assert [growth.batch(level) for level in range(1, 10)] == [128, 128, 128, 64, 32, 16, 8, 4, 4]
    phases = {}
    for tick in growth.ticks:
        phases.setdefault((tick.resolution, tick.fade > 0), []).append(tick)
    assert len(phases) == 17  # 4x4 does not fade in
    for ticks in phases.values():
        shown = sum(tick.steps * tick.batch for tick in ticks)
        assert 600_000 <= shown < 600_000 + ticks[0].batch
    assert growth.images == pytest.approx(17 * 600_000, rel=1e-3)


def test_ticks_follow_one_another_and_alpha_rises_from_0_to_1():
    shown = 0
    for tick in GROWTH.ticks:
        assert tick.start == shown
        shown = tick.stop
    fading = [tick for tick in GROWTH.ticks if tick.fade and tick.resolution == 16]
    alphas = [tick.alpha(step) for tick in fading for step in range(tick.steps)]
    assert alphas == [0, 0.25, 0.5, 0.75]
    assert fading[-1].alpha(fading[-1].steps) == 1
    assert all(tick.alpha(0) == 1 for tick in GROWTH.ticks if not tick.fade)


def test_the_gradient_penalty_of_a_linear_critic_is_what_algebra_says():
    weights = torch.randn(2, 4, 4)
    x = torch.randn(5, 2, 4, 4)
    penalty = gradient_penalty(lambda x: (weights * x).sum(dim=(1, 2, 3)), x)
    torch.testing.assert_close(penalty, ((weights.norm() - 1) ** 2).expand(5))


def test_gradients_of_the_penalty_flow_to_the_critic():
    a = torch.tensor(0.7, requires_grad=True)
    x = torch.randn(5, 2, 4, 4)
    length = x.flatten(1).norm(dim=1)
    penalty = gradient_penalty(lambda x: a / 2 * x.square().sum(dim=(1, 2, 3)), x)
    torch.testing.assert_close(penalty, (0.7 * length - 1) ** 2)
    penalty.sum().backward()
    torch.testing.assert_close(a.grad, (2 * (0.7 * length - 1) * length).sum())


def test_the_running_average_follows_the_generator_by_the_share_that_was_asked():
    task = gan()
    before = copy.deepcopy(task.average)
    task.steps(0)
    task.step(0, 0)
    pairs = zip(before.parameters(), task.generator.parameters(), strict=True)
    expected = [torch.lerp(old, new, 0.1) for old, new in pairs]
    for average, value in zip(task.average.parameters(), expected, strict=True):
        torch.testing.assert_close(average.detach(), value.detach())


def test_only_the_levels_at_work_learn():
    task = gan()
    before = copy.deepcopy(task.generator)
    task.steps(0)
    task.step(0, 0)
    pairs = [
        (name, torch.equal(old, new))
        for (name, old), new in zip(
            before.named_parameters(), task.generator.parameters(), strict=True
        )
    ]
    at_work = {name for name, same in pairs if not same}
    assert at_work
    assert all(name.startswith(("blocks.0.", "to_image.0.")) for name in at_work)


def test_training_brings_generated_images_nearer_to_real_ones():
    task = gan(recipe=GanRecipe(average=0.9, learning_rate=5e-3))
    task.growth = Growth(3, 8, 1200, {4: 8}, 1200)
    task.steps(0)
    real = task._levelled(images(20), 1, 1.0).mean(dim=0)
    before = (task.samples(32).mean(dim=0) - real).square().mean()
    trained(task, ticks=1)
    after = (task.samples(32).mean(dim=0) - real).square().mean()
    assert after < before / 4


class StopAt(Silent):
    """Cancels at the n-th report."""

    def __init__(self, n):
        self.left = n

    @property
    def cancelled(self):
        self.left -= 1
        return self.left < 0


@pytest.mark.slow
def test_a_run_stopped_anywhere_ends_with_the_same_bits(tmp_path):
    """Within ticks, between them, while a level fades in, and on both sides of a growth step."""
    whole = trained(gan(labels=True)).weights()
    grows = next(tick for tick in GROWTH.ticks if tick.resolution == 16)
    steps = sum(tick.steps for tick in GROWTH.ticks if tick.start < grows.start)
    for number in (1, steps, steps + 1, steps + 3, steps + 5):
        path = tmp_path / f"{number}"
        with pytest.raises(CancelledError):
            trained(gan(labels=True), path, StopAt(number))
        again = trained(gan(labels=True), path).weights()
        assert all(torch.equal(again[name], value) for name, value in whole.items())


def test_two_processes_have_the_same_gradients_as_one():
    """Each has its share of a minibatch in groups; sums are exact in float64."""

    class Half(DistributedContext):
        """One of two, that keeps its gradients instead of exchanging them."""

        def all_reduce_gradients(self, weights):
            self.kept.append([None if w.grad is None else w.grad.clone() for w in weights])

        def summed(self, values):
            return values

    def gradients(context):
        object.__setattr__(context, "kept", [])
        task = gan(context)
        for network in (task.generator, task.critic, task.average):
            network.double()
        task.training = ImageSet(images(20).double())
        at = GROWTH.ticks[0]
        groups = context.share(at.batch // 4)
        share = slice(groups.start * 4, groups.stop * 4)
        real = task._real(at, at.start)
        real = ImageSet(task._levelled(real.images[share], at.level, 1.0))
        task._train_critic(real, at, at.start, share, 1.0)
        return context.kept[0]

    whole = gradients(Half(0, 1))
    halves = [gradients(Half(rank, 2)) for rank in range(2)]
    for all_, first, second in zip(whole, *halves, strict=True):
        if all_ is not None:
            torch.testing.assert_close(first + second, all_, atol=1e-9, rtol=1e-9)


def test_overfitting_has_images_changed_more_often_and_less_again():
    task = gan(recipe=GanRecipe(overfit=-math.inf, patience=100))
    task.steps(0)
    task.validate()
    assert task.p_augment == 8 / 100
    task.recipe = GanRecipe(overfit=math.inf, patience=100)
    assert task.validate()["p_augment"] == 0


def test_changed_images_are_the_same_pixels_elsewhere():
    x, drawn = images(40), torch.rand(40, DRAWN, generator=torch.Generator().manual_seed(0))
    assert augment(x, 0.0, drawn=drawn) is x
    drawn[:, 2:5] = 1.0  # mirrored and turned only
    out = augment(x, 0.5, drawn=drawn)
    torch.testing.assert_close(out.flatten(2).sort(dim=2)[0], x.flatten(2).sort(dim=2)[0])
    stayed = (drawn[:, :2] >= 0.5).all(dim=1)
    torch.testing.assert_close(out[stayed], x[stayed])
    moved = (out[~stayed] - x[~stayed]).abs().amax(dim=(1, 2, 3)) > 0.1
    assert moved.float().mean() > 0.5


def test_each_change_is_made_to_its_share_and_greys_to_the_ct_alone():
    x = images(400)
    drawn = torch.rand(400, DRAWN, generator=torch.Generator().manual_seed(1))
    drawn[:, [0, 1, 3, 4]] = 1.0  # shifted only
    moved = (augment(x, 0.3, drawn=drawn) - x).abs().amax(dim=(1, 2, 3)) > 0
    assert moved.float().mean() == pytest.approx(0.3, abs=0.1)  # a few are shifted by nought
    drawn[:, :3], drawn[:, 3:5] = 1.0, 0.0
    greyed = augment(x, 0.3, drawn=drawn)
    torch.testing.assert_close(greyed[:, 1], x[:, 1])
    assert (greyed[:, 0] - x[:, 0]).abs().amax(dim=(1, 2)).min() > 0


def test_a_turn_by_hand():
    x = torch.zeros(1, 2, 8, 8)
    x[0, :, 1, 2] = 1.0
    drawn = torch.ones(1, DRAWN)
    drawn[0, 1], drawn[0, 5] = 0.0, 0.3  # a quarter turn
    out = augment(x, 0.5, drawn=drawn)
    torch.testing.assert_close(out, torch.rot90(x, 1, dims=(2, 3)))


def test_minibatches_show_every_image_once_before_any_again():
    task = gan(training=ImageSet(torch.arange(20.0).reshape(20, 1, 1, 1).expand(20, 2, 16, 16)))
    at = GROWTH.ticks[0]
    seen = [task._real(at, shown).images[:, 0, 0, 0] for shown in range(0, 40, 8)]
    first, second = torch.cat(seen).reshape(2, 20)
    assert first.sort()[0].tolist() == second.sort()[0].tolist() == list(range(20))
    assert first.tolist() != second.tolist()


def test_a_loss_that_is_not_finite_is_said():
    task = gan()
    with torch.no_grad():
        task.critic.score.bias.fill_(math.nan)
    with pytest.raises(InputError, match="diverged"):
        trained(task)


def test_the_drift_is_the_mean_square_of_the_scores_of_real_images():
    alike = ImageSet(images(1).repeat(20, 1, 1, 1))
    real = torch.nn.functional.avg_pool2d(alike.images[:8], 4)
    losses = {}
    for drift in (0.0, 1.0):
        task = gan(recipe=GanRecipe(drift=drift), training=alike)
        with torch.no_grad():
            scores = task.critic(real, level=1)
        task.steps(0)
        losses[drift] = task.step(0, 0)["critic"]
    assert float(scores.square().mean()) > 1e-4
    assert losses[1.0] - losses[0.0] == pytest.approx(float(scores.square().mean()), rel=1e-3)


def test_the_penalty_of_some_updates_weighs_for_those_without():
    losses = {}
    for interval in (1, 3):
        recipe = GanRecipe(penalty_interval=interval, drift=0.0)
        task = gan(recipe=recipe)
        seen = []
        task.critic.register_forward_pre_hook(lambda _, given, seen=seen: seen.append(len(given)))
        task.steps(0)
        losses[interval] = task.step(0, 0)["critic"]
        calls = [len(seen)]
        for number in (1, 2, 3):
            task.step(0, number)
            calls.append(len(seen) - sum(calls))
        # Images between, real, generated; and those of the generator's update.
        assert calls == ([4, 4, 4, 4] if interval == 1 else [4, 3, 3, 4])
    task = gan(recipe=GanRecipe(penalty=0.0, drift=0.0))
    task.steps(0)
    without = task.step(0, 0)["critic"]
    assert losses[3] - without == pytest.approx(3 * (losses[1] - without), rel=1e-4)


def test_the_slope_is_taken_anywhere_between_a_real_and_a_generated_image():
    task, shown = gan(), []
    task.critic.register_forward_pre_hook(lambda _, given: shown.append(given[0].detach()))
    task.steps(0)
    task.step(0, 0)
    between, real, fake = (images.flatten(1) for images in shown[:3])
    whole = fake - real
    share = ((between - real) * whole).sum(1) / whole.square().sum(1)
    torch.testing.assert_close(real + share[:, None] * whole, between, atol=1e-5, rtol=0)
    assert share.min() > 0
    assert share.max() < 1
    assert share.std() > 0.15  # uniform: 0.29


def test_the_critic_is_to_score_real_images_above_generated_ones_and_the_generator_its_own():
    task, scores = gan(recipe=GanRecipe(penalty=0.0, drift=0.0)), []
    task.critic.register_forward_hook(lambda *seen: scores.append(float(seen[-1].detach().mean())))
    task.steps(0)
    losses = task.step(0, 0)
    _, real, fake, own = scores
    assert losses["critic"] == pytest.approx(fake - real, abs=1e-5)
    assert losses["generator"] == pytest.approx(-own, abs=1e-5)


def test_the_logistic_loss_is_what_a_classifier_has_with_half_the_squared_slope_at_real_images():
    alike = ImageSet(images(1).repeat(20, 1, 1, 1))
    real = torch.nn.functional.avg_pool2d(alike.images[:8], 4)
    losses, scores = {}, []
    for slope in (0.0, 3.0):
        recipe = GanRecipe(loss="logistic", slope=slope, penalty_interval=2)
        task = gan(recipe=recipe, training=alike)
        squared = squared_slope(lambda x, task=task: task.critic(x, level=1), real).detach().mean()
        scores.clear()
        task.critic.register_forward_hook(lambda *seen: scores.append(seen[-1].detach()))
        task.steps(0)
        losses[slope] = task.step(0, 0)
    _, up, down, own = (each.double().numpy() for each in scores)

    def wrong(probability):  # cross-entropy of what should be called real
        return -np.log(probability).mean()

    def real_by(score):
        return 1 / (1 + np.exp(-score))

    critic = wrong(real_by(up)) + wrong(1 - real_by(down))
    assert losses[0.0]["critic"] == pytest.approx(critic, abs=1e-5)
    assert losses[3.0]["generator"] == pytest.approx(wrong(real_by(own)), abs=1e-5)
    # Every other update has the penalty, twice.
    added = losses[3.0]["critic"] - losses[0.0]["critic"]
    assert added == pytest.approx(2 * 3.0 / 2 * float(squared), rel=1e-3)
    assert float(squared) > 1e-4
