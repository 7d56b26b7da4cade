"""Tables that scikit-learn ships."""

from typing import ClassVar

import torch
from typing_extensions import override

from datamodules.base import DataModule
from datamodules.samples import Samples


class ShippedTable(DataModule):
    """A table that scikit-learn ships; a subclass names the function that loads it."""

    maximum = 1.0
    loader_name: ClassVar[str]

    @override
    def load(self) -> Samples:
        from sklearn import datasets  # takes half a second to import

        inputs, targets = getattr(datasets, self.loader_name)(return_X_y=True)
        labels = torch.from_numpy(targets)
        labels = labels.long() if self.class_names else labels.double()[:, None]
        return Samples(torch.from_numpy(inputs).float(), labels)


class BreastCancer(ShippedTable):
    """Wisconsin diagnostic breast cancer (Street et al., 1993): 569 tumours, 30 measures, two classes."""

    class_names = ("malignant", "benign")
    input_shape = (30,)
    loader_name = "load_breast_cancer"


class Iris(ShippedTable):
    """Fisher's iris (1936): 150 flowers, 4 measures, three species."""

    class_names = ("setosa", "versicolor", "virginica")
    input_shape = (4,)
    loader_name = "load_iris"


class Wine(ShippedTable):
    """Wines by chemical analysis (Aeberhard and Forina, 1991): 178 wines, 13 measures, three cultivars."""

    class_names = ("class_0", "class_1", "class_2")
    input_shape = (13,)
    loader_name = "load_wine"


class Diabetes(ShippedTable):
    """Progression of diabetes a year on (Efron et al., 2004): 442 patients, 10 measures, a continuous target."""

    class_names = ()
    input_shape = (10,)
    loader_name = "load_diabetes"

    @override
    def target_names(self) -> list[str]:
        return ["progression of diabetes (score)"]
